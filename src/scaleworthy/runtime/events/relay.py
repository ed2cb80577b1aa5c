"""The relay: takes events from the outbox to where they are published, each at least once, those of one aggregate in their order.

One relay of the fleet works at a time (an advisory lock of the database, which ends with its connection); the others try every second. An
event is marked published after it was acknowledged, so one that was published just before the relay was killed is published
again by the next, with the same id.
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import psycopg
from psycopg import AsyncConnection

from scaleworthy.runtime.events import outbox
from scaleworthy.runtime.events.cancelling import heed_cancellation
from scaleworthy.runtime.events.event import Event
from scaleworthy.units import parse_duration_ns

_AGAIN_S = 1.0
_PURGE_EVERY = 500


class Unpublishable(Exception):
    """This event can never be published, however often it is tried: too large, for example."""


class Sink(Protocol):
    """Where events are published."""

    async def publish(self, events: Sequence[Event]) -> list[Exception | None]:
        """Publish *events* in their order; return for each None, once it is acknowledged, or why it is not.

        After one that failed none of the same key may be published: they come again behind it.
        """

    async def close(self) -> None:
        """Close its connections."""


@dataclass(frozen=True, slots=True)
class RelayStatistics:
    """Counts since it was started; `lag_s` is the age of the oldest event that waited when last looked at."""

    works: bool
    published: int
    failed: int
    dead: int
    waiting: int
    lag_s: float


class Relay:
    """Takes events of the outbox at *dsn* to *sink*. `start` it in every process, or run it as one of its own.

    Args:
        dsn: The writer.
        sink: Where to; closed with the relay.
        together: Most events at a time.
        idle: How long it rests when nothing waits.
        attempts: After so many failed ones an event is a dead letter, and those behind it go on.
        keep: How long published events are kept, to be replayed.
        lock: Name that relays which do the same work share.
    """

    def __init__(
        self,
        dsn: str,
        sink: Sink,
        *,
        together: int = 500,
        idle: str = "20ms",
        attempts: int = 10,
        keep: str = "7d",
        lock: str = "scaleworthy_outbox",
    ) -> None:
        self._dsn = dsn
        self._sink = sink
        self._together = together
        self._idle_s = parse_duration_ns(idle) / 1e9
        self._attempts = attempts
        self._keep_s = parse_duration_ns(keep) / 1e9
        self._lock = zlib.crc32(lock.encode())
        self._task: asyncio.Task[None] | None = None
        self._reason: str | None = "not started"
        self._works = asyncio.Event()
        self._rounds = 0
        self._counts = {"published": 0, "failed": 0, "dead": 0}
        self._waiting, self._lag_s = 0, 0.0

    @property
    def trouble(self) -> str | None:
        """Why events are not published here; None: they are, or another relay does it."""
        return self._reason

    def start(self) -> None:
        """Begin to work, now or when the relay that does ends."""
        if self._task is None:
            self._task = asyncio.create_task(self._run())

    async def working(self) -> None:
        """Wait until this relay is the one that works."""
        await self._works.wait()

    async def stop(self) -> None:
        """End after what is under way, and close the sink."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None
        self._works.clear()
        await self._sink.close()

    def statistics(self) -> RelayStatistics:
        """Return the counts."""
        return RelayStatistics(works=self._works.is_set(), waiting=self._waiting, lag_s=self._lag_s, **self._counts)

    async def _run(self) -> None:
        while True:
            try:
                async with await AsyncConnection.connect(self._dsn, autocommit=True, connect_timeout=5) as connection:
                    row = await (await connection.execute("select pg_try_advisory_lock(%s)", [self._lock])).fetchone()
                    self._reason = None
                    if row == (True,):
                        self._works.set()
                        await self._work(connection)
            except (psycopg.Error, OSError) as error:
                self._reason = f"events wait: {str(error).partition(chr(10))[0]}"
            self._works.clear()
            await asyncio.sleep(_AGAIN_S)

    async def _work(self, connection: AsyncConnection[Any]) -> None:
        while True:
            if self._rounds % _PURGE_EVERY == 0:
                await outbox.purge(connection, older_s=self._keep_s)
                self._waiting, self._lag_s = await outbox.lag(connection)
            self._rounds += 1
            events = await outbox.waiting(connection, most=self._together)
            if not events:
                self._waiting, self._lag_s = 0, 0.0
                await asyncio.sleep(self._idle_s)
            elif not await self._carry(connection, events):
                await asyncio.sleep(_AGAIN_S)

    async def _carry(self, connection: AsyncConnection[Any], events: Sequence[Event]) -> bool:
        """Publish *events*; return whether any was."""
        answers = await self._sink.publish(events)
        heed_cancellation()
        published = [event.number for event, error in zip(events, answers, strict=True) if error is None]
        if published:
            await outbox.mark_published(connection, published)
        self._counts["published"] += len(published)
        blamed: set[str] = set()
        for event, error in zip(events, answers, strict=True):
            if error is None or event.key in blamed:
                continue
            # The first of an aggregate failed; those behind it only waited for it.
            blamed.add(event.key)
            self._counts["failed"] += 1
            most = 1 if isinstance(error, Unpublishable) else self._attempts
            reason = str(error) or type(error).__name__
            if await outbox.mark_failed(connection, event.number, reason, attempts_most=most):
                self._counts["dead"] += 1
            else:
                self._reason = f"events wait: {reason}"
        if not blamed:
            self._reason = None
        return bool(published)
