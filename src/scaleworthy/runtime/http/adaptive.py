"""How many requests may be at work at once, found by how long they take.

A gradient limit, as in Netflix's concurrency-limits: the time that answers take with little beside them, times what queueing is
tolerated, over the time they take now. Where answers become slower than that, fewer are let in; where they do not, a few more.

Both times are means over the same mixture of requests. The shortest time seen would not do: where one in ten is answered from a cache in
a hundredth of the time, the other nine would seem overloaded for ever.
"""

from __future__ import annotations

# One round in so many is followed by a look at what an answer takes with little beside it; sooner where hardly any are let in.
_ROUNDS_PER_LOOK = 50
_ROUNDS_PER_LOOK_SMALL = 10
# A round is as many answers as may be at work, since what a change brings shows only in requests that came after it; but a mean.
_ROUND_LEAST = 20
_LOOK_LEAST = 8
# Weight of one answer that had little beside it.
_CALM_WEIGHT = 0.05


class AdaptiveLimit:
    """How many may be at work at once.

    Args:
        initial, least, most: Requests.
        tolerance: How many times what they take alone answers may take before fewer are let in.
        enough_ns: What is answered within this is quick enough, however much quicker it could be: nobody is refused for it.
        smoothing: Weight of the newest round, 0 to 1.

    The limit moves while at least half of it is in use: an idle service says nothing about how many it can bear. Now and then only a
    quarter is let in until the time that answers take alone is known anew: where many are at work each waits, and taking that for the
    service's own time would let the limit grow without end, as keeping an old time for ever would choke a service that has changed.
    """

    def __init__(
        self,
        *,
        initial: int = 20,
        least: int = 4,
        most: int = 1000,
        tolerance: float = 2.0,
        enough_ns: int = 0,
        smoothing: float = 0.2,
    ) -> None:
        self._limit = float(initial)
        self._least, self._most = least, most
        self._tolerance = tolerance
        self._enough_ns = enough_ns
        self._smoothing = smoothing
        self._calm_ns = 0.0
        self._taken_ns = self._taken = 0
        self._rounds = 0
        self._look: list[int] | None = None
        self.at_work = 0

    @property
    def limit(self) -> int:
        """How many may be at work now."""
        limit = int(self._limit)
        return limit if self._look is None else max(self._least, limit // 4)

    def acquire(self) -> int | None:
        """Let one in, if there is room; return how many are at work then, which `release` wants to know."""
        if self.at_work >= self.limit:
            return None
        self.at_work += 1
        return self.at_work

    def release(self, took_ns: int | None, *, beside: int) -> None:
        """One is done, that was let in as the *beside*-th at work. *took_ns* None: how long it took says nothing."""
        busy = self.at_work * 2 >= self.limit
        self.at_work -= 1
        if took_ns is None or took_ns <= 0:
            return
        if self._look is not None:
            self._look_at(took_ns, beside)
        elif beside * 4 <= self._limit or not self._calm_ns:
            self._calm_ns += (took_ns - self._calm_ns) * (_CALM_WEIGHT if self._calm_ns else 1.0)
        if busy and self._look is None:
            self._taken_ns += took_ns
            self._taken += 1
            if self._taken >= max(self._limit, _ROUND_LEAST):
                self._end_round()

    def _look_at(self, took_ns: int, beside: int) -> None:
        assert self._look is not None
        if beside <= self.limit:
            self._look.append(took_ns)
        if len(self._look) >= max(self.limit, _LOOK_LEAST):
            self._calm_ns = (self._calm_ns + sum(self._look) / len(self._look)) / 2
            self._look = None

    def _end_round(self) -> None:
        mean_ns = self._taken_ns / self._taken
        self._taken_ns = self._taken = 0
        allowed_ns = max(self._tolerance * self._calm_ns, self._enough_ns)
        gradient = max(0.5, min(1.0, allowed_ns / mean_ns))
        wanted = self._limit * gradient + self._limit**0.5
        moved = self._limit * (1 - self._smoothing) + wanted * self._smoothing
        self._limit = max(float(self._least), min(float(self._most), moved))
        self._rounds += 1
        small = self._limit < 4 * self._least
        # Where answers are quick enough nobody is refused, for a look either.
        if gradient < 1.0 and self._rounds >= (_ROUNDS_PER_LOOK_SMALL if small else _ROUNDS_PER_LOOK):
            self._rounds = 0
            self._look = []
