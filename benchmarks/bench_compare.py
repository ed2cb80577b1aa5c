"""How often does a comparison call two runs of the same service different, and does it see what did change?

Runs of known latency (tests/load/compare/made.py): lognormal answers whose level wanders from second to second with memory, 120 s each.
The intervals are to hold together at 95 %: of 100 pairs without a change at most 5 may be called better or worse.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from rows import arguments, row, show

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from load.compare.made import run
from scaleworthy.load.compare import compare

PAIRS = 100


def main() -> None:
    """Print the rows."""
    options = arguments(__doc__).parse_args()
    rows = []
    for wander, memory in ((0.02, 0.0), (0.05, 0.7), (0.05, 0.9)):
        alarms = held = seen = 0
        for seed in range(PAIRS):
            rng = np.random.default_rng(seed)
            before, same, slower = (
                run(rng, seconds=120, per_s=100, wander=wander, memory=memory, median_ms=median)
                for median in (10, 10, 12)
            )
            changes = compare([before], [same]).changes
            alarms += any(change.verdict in ("worse", "better") for change in changes)
            comparison = compare([before], [slower])
            times = [change for change in comparison.changes if change.unit == "ms"]
            held += all(change.interval[0] <= 0.2 <= change.interval[1] for change in times)
            seen += comparison.verdict == "worse"
        what = f"level varies by {wander:.0%}, seconds correlated {memory:g}"
        rows += [
            row(f"{what}: pairs without a change called different, of {PAIRS}", "pairs", alarms, most=5),
            row(f"{what}: intervals that hold a change of 20 %, of {PAIRS}", "pairs", held, least=95),
            row(f"{what}: a change of 20 % called worse after 2 min, of {PAIRS}", "pairs", seen),
        ]
    show("compare", rows, options)


if __name__ == "__main__":
    main()
