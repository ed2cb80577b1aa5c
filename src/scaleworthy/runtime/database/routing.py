"""Which of the replicas that may answer is asked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from scaleworthy.runtime.database.replica import Replica

Pick = Literal["least-busy", "round-robin"]


def choose(ready: Sequence[Replica], pick: Pick, *, turn: int) -> Replica:
    """Return one of *ready*: each in turn, or one with the fewest at work (of those, each in turn)."""
    if pick == "round-robin":
        return ready[turn % len(ready)]
    fewest = min(replica.at_work for replica in ready)
    idle = [replica for replica in ready if replica.at_work == fewest]
    return idle[turn % len(idle)]
