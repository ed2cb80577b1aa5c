"""The relay: takes events from the outbox to where they are published, each at least once, those of one aggregate in their order.

One relay of the fleet works at a time (an advisory lock of the database, which ends with its connection); the others try again and again.
An event is marked published after it was acknowledged, so one that was published just before the relay was killed is published again by
the next, with the same id. Two that believe to work, after a network was cut, do no harm: each publishes from the oldest on, so none of
an aggregate overtakes one before it.
"""

from __future__ import annotations

import asyncio
import time
import zlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from psycopg import AsyncConnection

from scaleworthy.runtime.events import outbox
from scaleworthy.runtime.events.cancelling import heed_cancellation
from scaleworthy.runtime.events.event import Event
from scaleworthy.runtime.events.sink import Sink, Unavailable, Unpublishable
from scaleworthy.series.meter import Meter
from scaleworthy.units import parse_duration_ns

_LOOK_S = 1.0
_HELD_S = 5.0
# A server notices within half a minute that the host of a relay is gone, and lets go of its lock.
_KEEPALIVE = "set tcp_keepalives_idle = 10; set tcp_keepalives_interval = 5; set tcp_keepalives_count = 3"


@dataclass(frozen=True, slots=True)
class RelayStatistics:
    """Counts since it was started.

    `waiting` and `lag_s`, the age of the oldest event that waits, are of up to a second before the batch that is under way.
    """

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
        idle: How long it rests when nothing waits, unless `nudge` wakes it.
        again: How long it rests when the database, the lock or the sink is not to be had.
        attempts: After so many failed ones an event is a dead letter, and those behind it go on. A sink that is gone fails no event.
        keep: How long published events are kept, to be replayed.
        lock: Name that relays which do the same work share.
        meter: Where `runtime.events.*` is recorded.
        labels: Of what is recorded there, where a process has relays of several outboxes.
        now: Monotonic seconds.
    """

    def __init__(
        self,
        dsn: str,
        sink: Sink,
        *,
        together: int = 500,
        idle: str = "20ms",
        again: str = "1s",
        attempts: int = 10,
        keep: str = "7d",
        lock: str = "scaleworthy_outbox",
        meter: Meter | None = None,
        labels: Mapping[str, str] | None = None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._dsn = dsn
        self._sink = sink
        self._together = together
        self._idle_s = parse_duration_ns(idle) / 1e9
        self._again_s = parse_duration_ns(again) / 1e9
        self._attempts = attempts
        self._keep_s = parse_duration_ns(keep) / 1e9
        self._lock = zlib.crc32(lock.encode())
        self._now = now
        self._task: asyncio.Task[None] | None = None
        self._reason: str | None = "events wait: the relay is not started"
        self._works, self._nudged = asyncio.Event(), asyncio.Event()
        self._counts = {"published": 0, "failed": 0, "dead": 0}
        self._waiting, self._lag_s = 0, 0.0
        if meter is not None:
            named = labels or {}
            meter.gauge("runtime.events.lag", "s", lambda: self._lag_s, **named)
            meter.gauge("runtime.events.waiting", "events", lambda: self._waiting, **named)
            for what in self._counts:
                meter.counter_of("runtime.events.relayed", "events", self._reader(what), outcome=what, **named)

    def trouble(self) -> str | None:
        """Return why events are not published, or None: they are, here or by another relay."""
        return self._reason

    def start(self) -> None:
        """Begin to work, now or when the relay that does ends."""
        if self._task is None:
            self._reason = None
            self._task = asyncio.create_task(self._run())

    def nudge(self) -> None:
        """Say that an event was committed in this process: it is taken at once, not at the end of the rest."""
        self._nudged.set()

    async def working(self) -> None:
        """Wait until this relay is the one that works."""
        await self._works.wait()

    async def stop(self) -> None:
        """End, and close the sink; what was under way is published again by the next."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None
        self._works.clear()
        self._reason = "events wait: the relay is not started"
        await self._sink.close()

    def statistics(self) -> RelayStatistics:
        """Return the counts."""
        return RelayStatistics(works=self._works.is_set(), waiting=self._waiting, lag_s=self._lag_s, **self._counts)

    def _reader(self, what: str) -> Callable[[], float]:
        return lambda: float(self._counts[what])

    async def _run(self) -> None:
        while True:
            try:
                async with await AsyncConnection.connect(self._dsn, autocommit=True, connect_timeout=5) as connection:
                    await connection.execute(_KEEPALIVE)
                    self._reason = None
                    await self._lock_own(connection)
                    self._works.set()
                    await self._work(connection)
            except Exception as error:  # noqa: BLE001 - whatever a sink raises too: a relay that ended by it would tell nobody
                self._reason = f"events wait: {str(error).partition(chr(10))[0] or type(error).__name__}"
            self._works.clear()
            await asyncio.sleep(self._again_s)

    async def _lock_own(self, connection: AsyncConnection[Any]) -> None:
        while True:
            row = await (await connection.execute("select pg_try_advisory_lock(%s)", [self._lock])).fetchone()
            if row == (True,):
                return
            await asyncio.sleep(self._again_s)

    async def _work(self, connection: AsyncConnection[Any]) -> None:
        look_at = self._now()
        while True:
            heed_cancellation()
            if self._now() >= look_at:
                look_at = self._now() + _LOOK_S
                await self._look(connection)
            events = await outbox.waiting(connection, most=self._together)
            if not events:
                await self._rest()
            elif not await self._carry(connection, events):
                await asyncio.sleep(self._again_s)

    async def _look(self, connection: AsyncConnection[Any]) -> None:
        """Measure the lag, remove what is old, and tell a transaction that holds all events back."""
        await outbox.purge(connection, older_s=self._keep_s)
        self._waiting, self._lag_s = await outbox.lag(connection)
        if self._lag_s > _HELD_S and (open_s := await outbox.held_back_s(connection)) > _HELD_S:
            self._reason = f"events wait: a transaction that writes has been open for {open_s:.0f} s"

    async def _rest(self) -> None:
        if self._nudged.is_set() or self._idle_s == 0:
            await asyncio.sleep(0)
        else:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._nudged.wait(), self._idle_s)
        self._nudged.clear()

    async def _carry(self, connection: AsyncConnection[Any], events: Sequence[Event]) -> bool:
        """Publish *events*; return whether all are dealt with: if not, a rest is due before they are tried again."""
        answers = await self._sink.publish(events)
        heed_cancellation()
        published = [event.number for event, error in zip(events, answers, strict=True) if error is None]
        if published:
            await outbox.mark_published(connection, published)
        self._counts["published"] += len(published)
        blamed: set[str] = set()
        calm = True
        for event, error in zip(events, answers, strict=True):
            if error is None or event.key in blamed:
                continue
            # The first of an aggregate failed; those behind it only waited for it.
            blamed.add(event.key)
            reason = str(error) or type(error).__name__
            if isinstance(error, Unavailable):
                calm, self._reason = False, f"events wait: {reason}"
                continue
            self._counts["failed"] += 1
            most = 1 if isinstance(error, Unpublishable) else self._attempts
            if await outbox.mark_failed(connection, event.number, reason, attempts_most=most):
                self._counts["dead"] += 1
            else:
                calm, self._reason = False, f"events wait: {reason}"
        if calm:
            self._reason = None
        return calm
