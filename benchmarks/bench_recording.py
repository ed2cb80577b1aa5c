"""How long until a recording of ten minutes with 200 series can be asked, and how long does keeping it take while the run goes on?

200 series over 600 seconds are 120,000 slices: 60 histograms of some 100 distinct buckets each, 80 counters, 60
gauges, in two blocks a second (one of the load, one of what was observed). Reading is `Recording.open` and a merged
p99 of the whole run, each time in a new process whose start is not counted, with the file in the page cache. Writing
is `append`, per second of the run.
Fair to whom: nobody else reads this file. The bar is that a report never waits for its data.
"""

from __future__ import annotations

import random
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from rows import Row, arguments, row, show
from scaleworthy.series import Histogram, Recording, SeriesKey, Slice

SECONDS, HISTOGRAMS, COUNTERS, GAUGES = 600, 60, 80, 60
RECORDS_PER_SLICE = 110

READ = """
import sys, time
from scaleworthy.series import Recording
start = time.perf_counter()
recording = Recording.open(sys.argv[1])
opened = time.perf_counter()
p99 = recording.histogram("load.response_time").quantile(0.99)
asked = time.perf_counter()
recording.quantile_per_second("load.response_time", 0.99)
drawn = time.perf_counter()
print(opened - start, asked - start, drawn - asked)
"""


def slices(source: random.Random, keys: dict[str, list[SeriesKey]]) -> tuple[list[Slice], list[Slice]]:
    """Return one second's slices of the load and of what was observed."""
    load: list[Slice] = []
    for key in keys["histogram"]:
        histogram = Histogram()
        for _ in range(RECORDS_PER_SLICE):
            histogram.record(round(source.lognormvariate(14.5, 0.7)))
        load.append((key, histogram))
    load += [(key, source.randrange(500)) for key in keys["counter"]]
    return load, [(key, source.random() * 1e9) for key in keys["gauge"]]


def write(path: Path, seconds: int) -> tuple[list[float], float]:
    """Record a run; return the seconds each second's appends took, and the mean number of buckets per histogram."""
    source = random.Random(5)
    keys = {
        "histogram": [
            SeriesKey.of("load.response_time", "histogram", "ns", {"step": str(at)}) for at in range(HISTOGRAMS)
        ],
        "counter": [SeriesKey.of("load.answered", "counter", "requests", {"step": str(at)}) for at in range(COUNTERS)],
        "gauge": [SeriesKey.of("process.memory", "gauge", "bytes", {"role": str(at)}) for at in range(GAUGES)],
    }
    took, buckets = [], []
    with Recording.create(path) as recording:
        for second in range(seconds):
            load, observed = slices(source, keys)
            buckets.append(len(load[0][1].buckets()[0]))  # type: ignore[union-attr]
            start = time.perf_counter()
            recording.append(second, load)
            recording.append(second, observed)
            took.append(time.perf_counter() - start)
    return took, statistics.mean(buckets)


def read(path: Path, repeats: int) -> list[tuple[float, ...]]:
    """Return (opened, opened and asked, drawn second by second) in seconds, for each of *repeats* processes."""
    runs = [
        subprocess.run([sys.executable, "-c", READ, str(path)], check=True, capture_output=True, text=True).stdout
        for _ in range(repeats)
    ]
    return [tuple(map(float, run.split())) for run in runs]


def measured(seconds: int, repeats: int) -> list[Row]:
    """Write a recording, read it *repeats* times, and return the rows."""
    with tempfile.TemporaryDirectory(prefix="scaleworthy-bench-") as folder:
        path = Path(folder) / "run.sw"
        took, buckets = write(path, seconds)
        size = path.stat().st_size
        times = read(path, repeats)
    opened, asked, drawn = (sorted(1e3 * one for one in column) for column in zip(*times, strict=True))
    shape = f"{seconds} s, {HISTOGRAMS + COUNTERS + GAUGES} series, {buckets:.0f} buckets per histogram, n={repeats}"
    spread = f"{asked[0]:.0f}-{asked[-1]:.0f}; {shape}"
    return [
        row("open a recording and ask a p99 of it all", "ms", statistics.median(asked), most=100.0, note=spread),
        row("of that: open", "ms", statistics.median(opened)),
        row("a p99 for each second, 60 series merged", "ms", statistics.median(drawn)),
        row(
            "append one second of 200 series", "ms", 1e3 * statistics.median(took), note=f"worst {1e3 * max(took):.1f}"
        ),
        row("size of the file", "MB", size / 1e6, note=f"{size / seconds / 1e3:.1f} KB per second"),
    ]


def main() -> int:
    """Measure, print, and say whether the bar was held."""
    options = arguments(__doc__).parse_args()
    return show("recording", measured(60 if options.quick else SECONDS, 3 if options.quick else 11), options)


if __name__ == "__main__":
    sys.exit(main())
