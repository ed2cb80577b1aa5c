"""When the next batch of changes is told: at once while changes are rare, gathered while they are many."""

from __future__ import annotations

from collections import deque

# So many transactions within the time make it busy.
_MANY = 4


class Pace:
    """Telling costs by the batch more than by the change: of many changes, those within *together_s* are told together.

    A change after a quiet moment waits for nothing, and so do those that come now and then.
    """

    def __init__(self, together_s: float) -> None:
        self._together_s = together_s
        self._told: deque[float] = deque(maxlen=_MANY)

    def next_at(self, now: float, transactions: int) -> float:
        """Return when the batch after one of so many *transactions*, which is told *now*, may be told."""
        self._told.extend([now] * min(transactions, _MANY))
        busy = len(self._told) == _MANY and now - self._told[0] < self._together_s
        return now + self._together_s if busy else now
