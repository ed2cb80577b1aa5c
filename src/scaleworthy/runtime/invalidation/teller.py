"""Tell the cache what changed, count it, and remember what could not be told."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from scaleworthy.runtime.invalidation.rules import Dropped
from scaleworthy.series.meter import Meter


class Invalidates(Protocol):
    """What is told, `runtime.cache.Cache` for example."""

    async def invalidate(
        self, *, keys: Sequence[str], tags: Sequence[str], everything: bool, position: int | None
    ) -> object:
        """Drop what is named. False says that it could not be dropped everywhere: everything is to be dropped later."""


@dataclass(frozen=True, slots=True)
class FollowerStatistics:
    """Counts since it was started, and how far the slot is behind (None: not looked at yet, or not read here).

    `everything` counts how often all there is was dropped. `kept_bytes` is the log that the server keeps for the slot.
    """

    reads: bool
    transactions: int
    keys: int
    tags: int
    everything: int
    lag_bytes: int | None = None
    kept_bytes: int | None = None


class Teller:
    """The cache as a follower tells it. What could not be told is owed: everything is dropped as soon as that can be."""

    def __init__(self, cache: Invalidates, *, meter: Meter | None, now_us: Callable[[], int] | None = None) -> None:
        self._cache = cache
        self._now_us = now_us or (lambda: time.time_ns() // 1_000)
        meter = meter or Meter()
        self._transactions = meter.counter("runtime.invalidation.transactions", "transactions")
        self._dropped = {
            what: meter.counter("runtime.invalidation.dropped", "entries", what=what)
            for what in ("keys", "tags", "everything")
        }
        self._delay = meter.histogram("runtime.invalidation.delay")
        self._unknown: set[str] = set()
        self._failures = 0
        self.owes = False

    @property
    def trouble(self) -> str | None:
        """What is wrong with what is told; None: nothing."""
        reasons = []
        if self.owes:
            reasons.append("a layer of the cache could not be told what changed; it is emptied as soon as it answers")
        if self._unknown:
            reasons.append(
                f"rules name columns that are gone ({', '.join(sorted(self._unknown))}): each change drops all there is"
            )
        return "; ".join(reasons) or None

    async def tell(
        self, dropped: Dropped, *, position: int | None, transactions: int, committed_us: int | None = None
    ) -> None:
        """Drop what *dropped* says; *committed_us*: when the oldest of it was committed, Unix time."""
        self._transactions.add(transactions)
        self._unknown |= dropped.unknown
        if dropped.is_empty:
            return
        keys, tags = sorted(dropped.keys), sorted(dropped.tags)
        await self._tell(keys, tags, everything=dropped.everything or self.owes, position=position)
        if committed_us is not None:
            self._delay.record(max(0, self._now_us() - committed_us) * 1_000)

    async def everything(self) -> None:
        """Drop all there is."""
        await self._tell((), (), everything=True, position=None)

    async def settle(self) -> None:
        """Drop all there is, if that is owed."""
        if self.owes:
            await self.everything()

    def statistics(self, *, reads: bool, lag_bytes: int | None, kept_bytes: int | None) -> FollowerStatistics:
        """Return the counts."""
        counts = {what: int(counter.total) for what, counter in self._dropped.items()}
        return FollowerStatistics(
            reads=reads,
            transactions=int(self._transactions.total),
            lag_bytes=lag_bytes,
            kept_bytes=kept_bytes,
            **counts,
        )

    async def _tell(self, keys: Sequence[str], tags: Sequence[str], *, everything: bool, position: int | None) -> None:
        failures = self._failures
        # Names that the cache raised at are told again, by who tells them; that all there is goes would not be.
        told: object = not everything
        try:
            told = await self._cache.invalidate(keys=keys, tags=tags, everything=everything, position=position)
        finally:
            if told is False:
                self._failures += 1
                self.owes = True
            elif everything and self._failures == failures:
                # What failed meanwhile is still owed: two may be told at once.
                self.owes = False
        self._dropped["keys"].add(len(keys))
        self._dropped["tags"].add(len(tags))
        self._dropped["everything"].add(everything)
