"""The event stream of one process, whole: the hub, what it hears from, and, where events go through the outbox, relay and queue."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from uuid import UUID

from psycopg.conninfo import make_conninfo
from redis.asyncio import Redis

from scaleworthy.runtime.events import Consumer, Event, Relay, StreamSource
from scaleworthy.runtime.events.cancelling import heed_cancellation
from scaleworthy.series.meter import Meter
from scaleworthy.switchboard.database import Database, Statement
from scaleworthy.switchboard.live.carry import PARTITIONS, PREFIX, QUEUED, ToThisProcess, ToValkey, valkey
from scaleworthy.switchboard.live.hub import Hub
from scaleworthy.switchboard.live.kafka import ToKafka
from scaleworthy.switchboard.live.sources import Listener, Notifications, Stream
from scaleworthy.switchboard.queries import webhooks as sql
from scaleworthy.switchboard.settings import Settings
from scaleworthy.switchboard.shape import Events, Shape

_CONSUMER = "payments"
# A webhook that waits for longer than this is worth a word in health: the queue is usually empty within a second.
_WAITED_LONG_S = 10.0
_LOOK_S = 1.0


def told_by(dsn: str, way: Events, *, kafka: bool = False) -> str:
    """Return *dsn* with the settings that say how the database tells what its sessions do (migrations/base/0030 and 0031)."""
    return make_conninfo(dsn, options=f"-c switchboard.events={way}{' -c switchboard.kafka=on' if kafka else ''}")


class Live:
    """Made for each process; `open` in its loop, `close` at its end."""

    def __init__(
        self,
        settings: Settings,
        shape: Shape,
        database: Database,
        *,
        now: Callable[[], datetime],
        again_s: float = 30.0,
        meter: Meter | None = None,
    ) -> None:
        self.hub = Hub()
        self._database = database
        self._now = now
        self._again_s = again_s
        self._meter = meter
        self._backlog = 0
        if meter is not None:
            meter.gauge("switchboard.events.sockets", "sockets", lambda: self.hub.statistics().sockets)
            meter.counter_of("switchboard.events.sent", "messages", lambda: self.hub.statistics().sent)
            meter.counter_of("switchboard.events.dropped", "sockets", lambda: self.hub.statistics().dropped)
            meter.gauge("switchboard.webhooks.waiting", "webhooks", lambda: self._backlog)
        self._listener: Listener | None = None
        self._relay: Relay | None = None
        self._consumer: Consumer | None = None
        self._client: Redis | None = None
        self._kafka: ToKafka | None = None
        self._tasks: list[asyncio.Task[None]] = []
        if shape.events == "notify":
            self._listener = Listener(self.hub, Notifications(settings.dsn))
        elif settings.relay_dsn is not None:
            self._take_from_outbox(settings.relay_dsn, settings.cache)
            if settings.kafka is not None:
                self._kafka = ToKafka(settings.kafka, settings.relay_dsn, meter=meter)

    async def open(self) -> None:
        """Begin to listen; where there is an outbox, also to relay and to handle, in turn with the other processes."""
        self.hub.start()
        if self._listener is not None:
            await self._listener.start()
        if self._relay is not None:
            self._relay.start()
        if self._kafka is not None:
            self._kafka.start()
        if self._consumer is not None:
            self._tasks = [asyncio.create_task(self._consumer.run()), asyncio.create_task(self._ask_again())]

    async def close(self) -> None:
        """End; another process goes on with what this one did."""
        if self._relay is not None:
            await self._relay.stop()
        if self._kafka is not None:
            await self._kafka.stop()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._client is not None:
            await self._client.aclose()
        if self._listener is not None:
            await self._listener.stop()
        await self.hub.stop()

    def trouble(self) -> str | None:
        """Return why events are late, or None."""
        parts = (self._listener, self._relay, self._consumer)
        return next((reason for part in parts if part is not None and (reason := part.trouble())), None)

    def nudge(self) -> None:
        """Say that this process has just committed an event."""
        if self._relay is not None:
            self._relay.nudge()
        if self._kafka is not None:
            self._kafka.nudge()

    async def kafka(self) -> tuple[bool, str | None]:
        """Return whether events go to Kafka, and a reason where they wait."""
        return (False, None) if self._kafka is None else (True, await self._kafka.trouble())

    async def backlog(self) -> tuple[int, str | None]:
        """Return how many webhooks are not handled yet, and a reason where one has waited for long."""
        [row] = await self._database.unscoped(Statement(sql.BACKLOG, {"now": self._now()}))
        long = row["oldest_s"] > _WAITED_LONG_S
        self._backlog = row["waiting"]
        return row["waiting"], f"{row['waiting']} wait, the oldest for {row['oldest_s']:.0f} s" if long else None

    def _take_from_outbox(self, relay_dsn: str, cache: str | None) -> None:
        if cache is None:
            self._relay = Relay(relay_dsn, ToThisProcess(self.hub, self._handle), meter=self._meter)
            return
        self._listener = Listener(self.hub, Stream(cache))
        self._relay = Relay(relay_dsn, ToValkey(cache), meter=self._meter)
        self._client = valkey(cache)
        source = StreamSource(
            self._client,
            group=_CONSUMER,
            member=f"process {os.getpid()}",
            topics=[QUEUED],
            prefix=PREFIX,
            partitions=PARTITIONS,
        )
        self._consumer = Consumer(source, self._handle, dead_letter=self._set_aside, meter=self._meter)

    async def _handle(self, event: Event) -> None:
        """Do what a webhook asks for, once: what remembers that and what it does are one statement."""
        values = {"event": event.id, "webhook": event.payload["id"], "consumer": _CONSUMER, "now": self._now()}
        await self._database.run(UUID(event.tenant), Statement(sql.HANDLE, values))
        self.nudge()

    async def _ask_again(self) -> None:
        """Watch the queue; publish again what was published long ago and is still in it: the stream's server has lost its data."""
        while True:
            await asyncio.sleep(_LOOK_S)
            heed_cancellation()
            # A database that is gone has its own reason in health; the queue is looked at when it is back.
            with suppress(Exception):
                waiting, _ = await self.backlog()
                if waiting:
                    await self._database.unscoped(Statement(sql.AGAIN, {"after_s": self._again_s}))

    async def _set_aside(self, body: bytes, reason: str) -> None:
        values = {"consumer": _CONSUMER, "body": body, "reason": reason}
        await self._database.unscoped(Statement(sql.SET_ASIDE, values))
