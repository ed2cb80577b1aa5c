"""Does the generator's memory stay flat, and what does a waiting user cost?

Flat: one process sends 10 million requests to nginx in a closed loop; its resident memory is read after the first million and at the end.
User: resident memory with 20,000 idle declarative users (each answered once, then thinking) less that with 100, divided by the
difference. Fair to whom: no peer is run here; it is a claim about ourselves.
"""

from __future__ import annotations

import sys
from typing import Any

import psutil

from peers import nginx
from rows import Row, arguments, row, show
from scaleworthy.load import LoadRun, Plan, start
from scaleworthy.series import MemoryStore

IDLE_MANY, IDLE_FEW = 20_000, 100


class Forgetful(MemoryStore):
    """A store that keeps nothing, so that what is measured is the engine and its hand-over alone."""

    def append(self, second: int, slices: Any) -> None:
        """Drop the slices."""


def resident() -> int:
    """Return this process's resident bytes."""
    return int(psutil.Process().memory_info().rss)


def run_of(url: str, **load: Any) -> LoadRun:
    """Start a plan of one GET."""
    steps: list[dict[str, Any]] = [{"get": "/"}]
    if "think" in load:
        steps.append({"think": load.pop("think")})
    plan = {
        "target": url,
        "scenarios": [{"name": "get", "steps": steps}],
        "load": load,
        "http": {"connections_max": 64},
        "seed": 1,
    }
    return start(Plan.model_validate(plan), Forgetful())


def growth_mb(url: str, requests: int) -> tuple[float, int]:
    """Return the growth of resident memory from the first tenth to the end, and the requests answered."""
    run = run_of(url, users=64, count=requests)
    answered, early = 0, None
    for second in run:
        answered += second.answered
        if early is None and answered >= requests / 10:
            early = resident()
    return (resident() - (early or resident())) / 1e6, answered


def held_bytes(url: str, users: int) -> int:
    """Return the growth of resident memory when *users* users have each been answered once and think."""
    before = resident()
    run = run_of(url, users=users, think="10m", **{"for": "10m"})
    answered = 0
    for second in run:
        answered += second.answered
        if answered >= users:
            held = resident() - before
            run.abort()
            for _ in run:
                pass
            return held
    raise RuntimeError(f"only {answered} of {users} users were answered")


def main() -> int:
    """Measure and print."""
    options = arguments(__doc__).parse_args()
    requests = 300_000 if options.quick else 10_000_000
    rows: list[Row] = []
    with nginx() as url:
        held_bytes(url, IDLE_FEW)  # what is allocated once a process is not a user's
        few, many = held_bytes(url, IDLE_FEW), held_bytes(url, IDLE_MANY)
        per_user_kb = (many - few) / (IDLE_MANY - IDLE_FEW) / 1e3
        rows.append(
            row("an idle declarative user", "KB", per_user_kb, most=15, note=f"{IDLE_MANY:,} users, 64 connections")
        )
        grown, answered = growth_mb(url, requests)
        rows.append(row(f"growth over {answered:,} requests", "MB", grown, most=2, note="after the first tenth"))
    return show("memory", rows, options)


if __name__ == "__main__":
    sys.exit(main())
