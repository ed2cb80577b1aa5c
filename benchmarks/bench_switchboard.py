"""Is the reference backend quick, and how far is tuned from day-one?

Mixed:   the tuned shape under the mixed scenario at 500 and 1,000 requests/s, generator and service on the same cores; P95 of all requests,
         and of each kind beside what the product asks of it.
Shapes:  find-limit within P95 < 200 ms on day-one and on tuned, the same data and scenario.

In pieces, each kept in a file of its own: --rows mixed, shapes. No peer: the service is what is measured. Sockets and media:
bench_switchboard_events.py, bench_switchboard_media.py.
"""

from __future__ import annotations

import statistics
import sys
from dataclasses import replace

from rows import Row, arguments, row, show
from scaleworthy import load
from scaleworthy.load import SearchSettings, find_limit, make_plan
from scaleworthy.series import MemoryStore
from scaleworthy.switchboard.scenario import OBJECTIVES, mixed_plan
from scaleworthy.switchboard.service import Switchboard

PIECES = ("mixed", "shapes")
RATES = {500: 50.0, 1000: 20.0}
"""Requests per second, and the P95 in ms that all of them together shall hold."""
ASKED_MS = {
    "health": 120,
    "start call": 450,
    "dashboard metrics": 680,
    "payment event": 220,
    "list recordings": 550,
    "create lead": 150,
    "get lead": 150,
    "list leads": 100,
    "list campaigns": 100,
}
RUNS = 3
SEARCH = replace(SearchSettings.quick(), bracket_s=5, refine_s=7, refine_longest_s=10, longest_s=75)
"""Longer probes than a quick search's: at 20 requests/s those see too few answers."""


def mixed_rows(seconds: int, runs: int) -> list[Row]:
    """Return P95 at each rate, median of *runs*, and P95 of each kind at the higher rate."""
    rows: list[Row] = []
    with Switchboard.start(shape="tuned", size="small") as board:
        load.start(mixed_plan(board.url, board.tenants, rate="300/s", duration="5s")).wait()
        for rate, most_ms in RATES.items():
            summaries = []
            for seed in range(1, runs + 1):
                plan = mixed_plan(board.url, board.tenants, rate=f"{rate}/s", duration=f"{seconds}s", seed=seed)
                with load.start(plan) as run:
                    summaries.append(run.wait())
            p95 = [summary.response_ms.p95 or 0.0 for summary in summaries]
            middle = summaries[p95.index(sorted(p95)[len(p95) // 2])]
            failed = sum(summary.failed + summary.not_started for summary in summaries)
            note = f"{len(p95)} runs: {min(p95):.3g} to {max(p95):.3g}; {failed} failed; p50 {middle.response_ms.p50:.3g} ms"
            rows.append(
                row(f"tuned, {rate} mixed requests/s: P95", "ms", statistics.median(p95), most=most_ms, note=note)
            )
        rows += [
            row(f"the same: {name}, P95", "ms", step.response_ms.p95, most=ASKED_MS.get(name), note=f"{step.answered}")
            for name, step in sorted(middle.steps.items())
        ]
    return rows


def shape_rows(quick: bool) -> list[Row]:
    """Return the limit of each shape within the scenario's objectives, and how far they are apart."""
    limits = {}
    with Switchboard.start(shape="day-one", size="full") as board:
        for shape in ("day-one", "tuned"):
            if shape != "day-one":
                board.restart(shape=shape)
            plan = make_plan(mixed_plan(board.url, board.tenants))
            settings = SearchSettings.quick() if quick else SEARCH
            limits[shape] = find_limit(plan, MemoryStore(), objectives=OBJECTIVES, settings=settings)
    rows = []
    for shape, limit in limits.items():
        between = f"interval {limit.interval[0]:.4g} to {limit.interval[1]:.4g}; " if limit.interval else ""
        rows.append(
            row(
                f"{shape}: most within {' and '.join(OBJECTIVES)}", "requests/s", limit.estimate,
                note=f"{between}{len(limit.probes)} probes, {limit.seconds:g} s",
            )
        )  # fmt: skip
    before, after = (limits[shape].estimate or 0.0 for shape in ("day-one", "tuned"))
    factor = after / before if before else None
    return [*rows, row("day-one to tuned", "times", factor, least=5, note="goal 20")]


def main() -> int:
    """Measure and print."""
    parser = arguments(__doc__)
    parser.add_argument("--rows", default=",".join(PIECES), help=f"pieces to run, of {', '.join(PIECES)}")
    options = parser.parse_args()
    pieces = options.rows.split(",")
    if unknown := set(pieces) - set(PIECES):
        parser.error(f"--rows: there is no {', '.join(sorted(unknown))}; there are {', '.join(PIECES)}")
    missed = 0
    if "mixed" in pieces:
        rows = mixed_rows(8, 1) if options.quick else mixed_rows(20, RUNS)
        missed |= show("switchboard_mixed", rows, options)
    if "shapes" in pieces:
        missed |= show("switchboard_shapes", shape_rows(options.quick), options)
    return missed


if __name__ == "__main__":
    sys.exit(main())
