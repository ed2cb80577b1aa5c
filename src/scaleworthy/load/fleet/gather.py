"""Put the workers' seconds together: which one is complete, who is late, who is lost.

A second is given out as soon as every worker that still tells has told it. A worker that has said nothing for `LATE_AFTER_S` is not
waited for until it has caught up; what it tells of seconds that were given out is counted in the next one. One that has said nothing
for `LOST_AFTER_S` is lost, as is one that ended before its last second. No process or clock is touched here.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Protocol

from scaleworthy.load.engine import EngineTick
from scaleworthy.load.fleet.merge import merged
from scaleworthy.load.fleet.wire import WorkerSecond

LATE_AFTER_S = 5.0
LOST_AFTER_S = 30.0


class Teller(Protocol):
    """What is told by one worker.

    Attributes:
        seconds: What it has told and nobody has taken yet, in order.
        over: It has told its last second.
        failed: How it ended before that.
        heard_at_s: When it was last heard of.
    """

    @property
    def seconds(self) -> deque[WorkerSecond]:
        """See the class."""

    @property
    def over(self) -> bool:
        """See the class."""

    @property
    def failed(self) -> str | None:
        """See the class."""

    @property
    def heard_at_s(self) -> float:
        """See the class."""


class Gathering:
    """Takes the workers' seconds and gives out those of the run."""

    def __init__(self, tellers: Sequence[Teller]) -> None:
        self._tellers = tellers
        self._given: int | None = None
        self._late_parts: list[WorkerSecond] = []
        self._late: set[int] = set()
        self.finished = False
        self.came_late: set[int] = set()
        """Numbers of the workers that were late at some time."""

    def next(self, now_s: float) -> EngineTick | None:
        """Return the earliest second that is complete; None when none is, or the run is over (`finished`)."""
        self._set_late_parts_aside()
        heads = [teller.seconds[0].second for teller in self._tellers if teller.seconds]
        if not heads:
            self.finished = self._all_told()
            return None
        behind = [number for number, teller in enumerate(self._tellers) if self._is_awaited(number, teller)]
        if any(now_s - self._tellers[number].heard_at_s < LATE_AFTER_S for number in behind):
            return None
        self._late.update(behind)
        self.came_late.update(behind)
        second = min(heads)
        parts = [
            teller.seconds.popleft()
            for teller in self._tellers
            if teller.seconds and teller.seconds[0].second == second
        ]
        self._given = second
        late, self._late_parts = self._late_parts, []
        self.finished = self._all_told()
        return EngineTick(second, self.finished, merged(parts, late))

    def silent(self, now_s: float) -> list[int]:
        """Return the numbers of the workers that should tell and have not been heard of for `LOST_AFTER_S`."""
        return [
            number
            for number, teller in enumerate(self._tellers)
            if self._tells(teller) and now_s - teller.heard_at_s > LOST_AFTER_S
        ]

    def _tells(self, teller: Teller) -> bool:
        return not teller.over and teller.failed is None

    def _all_told(self) -> bool:
        return not any(teller.seconds or self._tells(teller) for teller in self._tellers)

    def _is_awaited(self, number: int, teller: Teller) -> bool:
        return not teller.seconds and self._tells(teller) and number not in self._late

    def _set_late_parts_aside(self) -> None:
        """A second that was given out without a worker cannot be given out again."""
        for number, teller in enumerate(self._tellers):
            while teller.seconds and self._given is not None and teller.seconds[0].second <= self._given:
                self._late_parts.append(teller.seconds.popleft())
            if teller.seconds:
                self._late.discard(number)
