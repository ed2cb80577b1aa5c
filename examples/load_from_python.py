"""Run a plan from Python, ask its recording a question of one's own, and end with the run's exit status.

python examples/load_from_python.py http://127.0.0.1:8000/api/health run.sw
"""

from __future__ import annotations

import sys
from pathlib import Path

from scaleworthy.load import plan_for_url, start
from scaleworthy.series import Objective, Recording


def measure(url: str, path: Path, *, duration: str = "10s") -> int:
    """Get *url* 20 times a second into a recording at *path*; print what was found, and return the exit status."""
    plan = plan_for_url(
        url,
        load={"rate": "20/s", "for": duration, "arrivals": "constant"},
        objectives=["p95 < 200ms", "failed < 1%"],
        seed=1,
    )
    with Recording.create(path, run={"command": "example"}) as recording:
        summary = start(plan, recording).wait()

    with Recording.open(path) as recording:
        slowest = Objective.parse("max(load.response_time) < 1s").evaluate(recording)
        _, per_second = recording.per_second("load.answered")
    print(f"{summary.answered:,} of {summary.planned:,} answered, p95 {summary.response_ms.p95} ms")
    print(f"{slowest.text}: {'held' if slowest.held else 'broken'}")
    print(f"answered each second: {per_second.astype(int).tolist()}")
    return summary.exit_status


if __name__ == "__main__":
    sys.exit(measure(sys.argv[1], Path(sys.argv[2])))
