"""Load shedding: what could only be answered late is refused early, so that the rest is answered in time.

How many requests may be at work at once is found by how long they take (a gradient limit, as in Netflix's concurrency-limits): the
shortest time seen lately, times what queueing is tolerated, over the time now. Where answers become slower than that, fewer are let
in; where they do not, a few more.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from scaleworthy.runtime.http.manner import Manner
from scaleworthy.runtime.http.message import Answer, Request, problem

# One round in so many is a look at what an answer takes with little beside it.
_ROUNDS_PER_LOOK = 50


class AdaptiveLimit:
    """How many may be at work at once.

    Args:
        initial, least, most: Requests.
        tolerance: How many times its best an answer may take before fewer are let in.
        smoothing: Weight of the newest round, 0 to 1.

    A round is as many answers as may be at work: what a change of the limit brings shows only in requests that came after it. The limit
    moves while at least half of it is in use: an idle service says nothing about how many it can bear. Now and then only a quarter
    is let in until the best time is known anew: where many are at work each waits, and taking that for the service's own time would let
    the limit grow without end, as keeping an old best for ever would choke a service that has changed.
    """

    def __init__(
        self, *, initial: int = 20, least: int = 4, most: int = 1000, tolerance: float = 2.0, smoothing: float = 0.2
    ) -> None:
        self._limit = float(initial)
        self._least, self._most = least, most
        self._tolerance = tolerance
        self._smoothing = smoothing
        self._best_ns: float | None = None
        self._round: list[int] = []
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
        self._best_ns = min(self._best_ns or took_ns, took_ns)
        if self._look is not None:
            self._look_at(took_ns, beside)
        elif busy:
            self._round.append(took_ns)
            if len(self._round) >= self._limit:
                self._end_round(self._best_ns)

    def _look_at(self, took_ns: int, beside: int) -> None:
        assert self._look is not None
        if beside <= self.limit:
            self._look.append(took_ns)
        if len(self._look) >= self.limit:
            self._best_ns = min(self._look)
            self._look = None

    def _end_round(self, best_ns: float) -> None:
        mean_ns = sum(self._round) / len(self._round)
        self._round.clear()
        gradient = max(0.5, min(1.0, self._tolerance * best_ns / mean_ns))
        wanted = self._limit * gradient + self._limit**0.5
        moved = self._limit * (1 - self._smoothing) + wanted * self._smoothing
        self._limit = max(float(self._least), min(float(self._most), moved))
        self._rounds += 1
        if self._rounds % _ROUNDS_PER_LOOK == 0:
            self._look = []


class Shedding(Manner):
    """Answers 503 with `Retry-After` where more would be at work than *limit* finds right.

    Args:
        limit: One for the application.
        spare: Paths that are always let in, health and metrics for example.
        now_ns: For tests.
    """

    def __init__(
        self,
        limit: AdaptiveLimit | None = None,
        *,
        spare: tuple[str, ...] = ("/health", "/api/health", "/metrics"),
        now_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self.limit = limit or AdaptiveLimit()
        self._spare = frozenset(spare)
        self._now_ns = now_ns
        self.refused = 0

    async def before(self, request: Request) -> Answer | None:
        """Let it in, or refuse it."""
        if request.path in self._spare:
            return None
        beside = self.limit.acquire()
        if beside is not None:
            request.notes[self] = (self._now_ns(), beside)
            return None
        self.refused += 1
        detail = f"{self.limit.at_work} requests are at work, which is what is answered in time"
        return problem(503, "Too busy", detail, headers=[(b"retry-after", b"1")])

    def done(self, request: Request, status: int | None) -> None:
        """Learn from how long it took; an error says nothing of that."""
        noted = request.notes.get(self)
        if noted is not None:
            began, beside = noted
            told = status is not None and status < 500
            self.limit.release(self._now_ns() - began if told else None, beside=beside)
