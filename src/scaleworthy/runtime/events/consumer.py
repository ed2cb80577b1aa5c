"""The consumer: hands each event to a handler, in the order of its aggregate; what a handler cannot do is tried again, then set aside."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass
from typing import Protocol

from scaleworthy.runtime.events.cancelling import heed_cancellation
from scaleworthy.runtime.events.event import Event
from scaleworthy.series.meter import Meter
from scaleworthy.units import parse_duration_ns

Handler = Callable[[Event], Awaitable[None]]
DeadLetter = Callable[[bytes, str], Awaitable[None]]
# Of each partition that has some: its name, and its next events in order, each with the name it is acknowledged by.
Round = list[tuple[str, list[tuple[str, bytes]]]]


class Source(Protocol):
    """Where events come from: `StreamSource` or `KafkaSource`."""

    def rounds(self) -> AsyncGenerator[Round, None]:
        """Yield the next events of each partition; the next round begins when those are dealt with. A round may be empty."""

    async def acknowledge(self, partition: str, entries: Sequence[str]) -> None:
        """Say that *entries* are dealt with.

        Raises:
            Exception: They come again.
        """

    async def again(self, partition: str, entries: Sequence[str]) -> None:
        """Yield *entries*, which were not dealt with, and what is behind them, once more."""

    async def release(self) -> None:
        """Let others have the partitions."""


@dataclass(frozen=True, slots=True)
class ConsumerStatistics:
    """Counts since it was started."""

    handled: int
    retried: int
    dead: int


class Consumer:
    """Calls *handle* for each event of *source*: partitions at the same time, the events of one in their order.

    Args:
        source: Where events come from.
        handle: Called at least once for each; it should do nothing for an id it has seen (`first_time`).
        dead_letter: Called with an event that could not be handled (or read) and why, before those behind it go on. While this fails
            its partition waits.
        attempts: How often an event is tried.
        pause_s: Before it is tried again, doubled each time; also before a source that is gone is asked again.
        within: How long a handler may take; then it is cancelled, and has failed.
        meter: Where `runtime.events.consumed` is recorded.
        sleep: For tests.
    """

    def __init__(
        self,
        source: Source,
        handle: Handler,
        *,
        dead_letter: DeadLetter,
        attempts: int = 5,
        pause_s: float = 0.1,
        within: str = "30s",
        meter: Meter | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._source = source
        self._handle = handle
        self._dead_letter = dead_letter
        self._attempts = attempts
        self._pause_s = pause_s
        self._within_s = parse_duration_ns(within) / 1e9
        self._sleep = sleep
        self._reason: str | None = None
        self._counts = {"handled": 0, "retried": 0, "dead": 0}
        if meter is not None:
            for what in self._counts:
                meter.counter_of("runtime.events.consumed", "events", self._reader(what), outcome=what)

    async def run(self) -> None:
        """Work until cancelled; then others have the partitions at once. A source that is gone is asked again and again."""
        try:
            while True:
                try:
                    await self._work()
                except Exception as error:  # noqa: BLE001 - whatever a source raises, events wait there and come again
                    self._reason = f"events are not read: {error or type(error).__name__}"
                    heed_cancellation()
                    await self._sleep(self._pause_s)
        finally:
            await asyncio.shield(self._source.release())

    def trouble(self) -> str | None:
        """Return why events are not handled, or None."""
        return self._reason

    def statistics(self) -> ConsumerStatistics:
        """Return the counts."""
        return ConsumerStatistics(**self._counts)

    def _reader(self, what: str) -> Callable[[], float]:
        return lambda: float(self._counts[what])

    async def _work(self) -> None:
        async with aclosing(self._source.rounds()) as rounds:
            async for partitions in rounds:
                heed_cancellation()
                done = await asyncio.gather(*(self._partition(name, entries) for name, entries in partitions))
                heed_cancellation()
                if all(done):
                    self._reason = None
                else:
                    await self._sleep(self._pause_s)

    async def _partition(self, name: str, entries: Sequence[tuple[str, bytes]]) -> bool:
        """Deal with *entries*, and acknowledge those that were; return whether all were."""
        done = 0
        try:
            for _, body in entries:
                await self._one(body)
                done += 1
                heed_cancellation()
            await self._source.acknowledge(name, [entry for entry, _ in entries])
        except Exception as error:  # noqa: BLE001 - what could not be set aside, or not be acknowledged, comes again
            self._reason = f"events come again: {error or type(error).__name__}"
            with suppress(Exception):
                if 0 < done < len(entries):
                    await self._source.acknowledge(name, [entry for entry, _ in entries[:done]])
                await self._source.again(name, [entry for entry, _ in entries[done:] or entries])
            return False
        return True

    async def _one(self, body: bytes) -> None:
        try:
            event = Event.from_json(body)
        except ValueError as error:
            await self._dead_letter(body, str(error))
            self._counts["dead"] += 1
            return
        for attempt in range(1, self._attempts + 1):
            try:
                async with asyncio.timeout(self._within_s):
                    await self._handle(event)
            except Exception as error:  # noqa: BLE001 - whatever a handler raises, the events behind it go on
                heed_cancellation()
                if attempt == self._attempts:
                    await self._dead_letter(body, f"{type(error).__name__}: {error}")
                    self._counts["dead"] += 1
                    return
                self._counts["retried"] += 1
                await self._sleep(self._pause_s * 2 ** (attempt - 1))
            else:
                self._counts["handled"] += 1
                return
