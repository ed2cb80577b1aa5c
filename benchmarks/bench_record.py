"""What does it cost to put one value into a histogram: in Rust, as the engine does, and through one call from Python?

A request of a load records about six values; at 50,000 requests a second on one core, 20 ns each would be 0.6 % of
it.
In Rust: the least of 11 runs of 1.6 million records (the median beside it), of latencies over ten octaves with a long
tail; one histogram, and six in turn, whose counts do not all fit the first cache. From Python: 200,000 calls of
`record(value)`, the loop's own cost taken out.
Fair to whom: no lock and no atomic, as an engine thread needs none; a histogram shared by threads would cost several
times that.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable

from rows import ROOT, Row, arguments, row, show
from scaleworthy._native import Histogram, build_profile

BENCH = ["cargo", "bench", "--quiet", "--package", "scaleworthy-measure", "--bench", "record"]
BARS = {"record": 20.0, "record in six": 20.0}
CALLS, REPEATS = 200_000, 9


def in_rust() -> list[Row]:
    """Return a row per operation that the bench in crates/measure times."""
    out = subprocess.run(BENCH, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    rows = []
    for line in out.splitlines():
        one = json.loads(line)
        note = f"median {one['median_ns']:.1f}"
        rows.append(row(f"Rust: {one['what']}", "ns", one["least_ns"], most=BARS.get(one["what"]), note=note))
    return rows


def least_ns(run: Callable[[], None]) -> float:
    """Return the least time of one call in ns, over REPEATS runs of CALLS calls."""
    times = []
    for _ in range(REPEATS):
        start = time.perf_counter_ns()
        run()
        times.append((time.perf_counter_ns() - start) / CALLS)
    return min(times)


def from_python() -> Row:
    """Return the cost of one call across the border, without that of the loop."""
    values = [1_000_000 + (at * 7919) % 5_000_000 for at in range(CALLS)]
    histogram = Histogram()

    def calls() -> None:
        record = histogram.record
        for value in values:
            record(value)

    def loop() -> None:
        for _ in values:
            pass

    whole, empty = least_ns(calls), least_ns(loop)
    return row("Python: one record call", "ns", whole - empty, note=f"loop {empty:.1f} taken out")


def main() -> int:
    """Measure, print, and say whether the bars were held."""
    options = arguments(__doc__).parse_args()
    if build_profile != "release":
        print("the Rust core is a debug build: run make setup first", file=sys.stderr)
        return 2
    return show("record", [*in_rust(), from_python()], options)


if __name__ == "__main__":
    sys.exit(main())
