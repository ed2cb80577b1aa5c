"""How late is a request sent, and how evenly do requests go out, at 20,000 a second?

Constant arrivals at 1,000 and at 20,000 a second, declarative and from a Python scenario in one worker process, against a null server in
a process of its own: generator on one core, server on the other. *Lag* is sent less planned, of every request. The *inter-arrival error*
is the distance of the times between two requests, as the server read them, from the planned 1 ms or 50 µs: it holds the way through the
kernel and the server's own wake-ups too, so it is an upper bound of the generator's. Fair to whom: no peer is run; none of them says
when it had planned to send.
"""

from __future__ import annotations

import os
import statistics
import sys
from typing import Any

import numpy as np

from peers import GENERATOR_CORE, SERVER_CORE
from rows import Row, arguments, row, show
from scaleworthy._native import Histogram
from scaleworthy.load.selftest.beside import Beside
from scaleworthy.load.selftest.runs import begin, end

RATES = (1_000, 20_000)


def gap_errors_us(gaps: Histogram, per_s: int) -> tuple[float, float]:
    """Return p50 and p99 of the distance between the gaps and the planned one, in µs."""
    low, high, count = gaps.buckets()
    errors = np.abs((low.astype(float) + high) / 2 - 1e9 / per_s)
    order = np.argsort(errors)
    reached = np.cumsum(count[order]) / count.sum()
    p50, p99 = (float(errors[order][np.searchsorted(reached, q)]) / 1e3 for q in (0.5, 0.99))
    return p50, p99


def measured(beside: Beside, speed: Any, per_s: int, seconds: int) -> tuple[float, float, float, float]:
    """Return lag p50 and p99, and inter-arrival error p50 and p99, all in µs, of one run."""
    url = beside.open()
    ran = end(begin(speed, url, {"rate": f"{per_s}/s", "arrivals": "constant", "for": f"{seconds}s"}))
    gaps = beside.gaps(url)
    beside.close(url)
    if ran.summary.answered != per_s * seconds:
        raise RuntimeError(f"{ran.summary.answered} of {per_s * seconds} requests were answered")
    lag = ran.store.histogram("load.lag")
    return (lag.quantile(0.5) or 0.0) / 1e3, (lag.quantile(0.99) or 0.0) / 1e3, *gap_errors_us(gaps, per_s)


def rows_of(speed: str, per_s: int, figures: list[tuple[float, float, float, float]]) -> list[Row]:
    """Return the rows of one speed and rate: medians over the runs, with their range in the note."""
    columns = list(zip(*figures, strict=True))
    p50, p99, error_p50, error_p99 = (statistics.median(column) for column in columns)
    what = f"{per_s:,}/s constant, {speed}"
    bar = 200.0 if speed == "declarative" and per_s == max(RATES) else None
    spread = f"p50 {p50:.3g}; {min(columns[1]):.3g}-{max(columns[1]):.3g}; n={len(figures)}"
    return [
        row(f"{what}: lag p99", "µs", p99, most=bar, note=spread + ("; goal 50" if bar else "")),
        row(f"{what}: inter-arrival error p99", "µs", error_p99, note=f"p50 {error_p50:.3g}"),
    ]


def main() -> int:
    """Measure and print."""
    options = arguments(__doc__).parse_args()
    repeats, seconds = (1, 2) if options.quick else (3, 10)
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {SERVER_CORE})
    rows: list[Row] = []
    with Beside() as beside:
        # The server's process keeps the core it was born on; the engine's threads and workers take ours.
        os.sched_setaffinity(0, {GENERATOR_CORE})
        for speed in ("declarative", "python"):
            for per_s in RATES:
                figures = []
                for _ in range(repeats):
                    figures.append(measured(beside, speed, per_s, seconds))
                    print(f"  {speed}, {per_s:,}/s: lag p99 {figures[-1][1]:.1f} µs", file=sys.stderr)
                rows += rows_of(speed, per_s, figures)
    os.sched_setaffinity(0, cores)
    return show("pacing", rows, options)


if __name__ == "__main__":
    sys.exit(main())
