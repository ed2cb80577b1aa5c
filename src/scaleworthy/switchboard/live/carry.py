"""Out of the outbox: to the stream that every process reads, and, where somebody has to do something, to one of its own."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import orjson
from redis.asyncio import Redis

from scaleworthy.runtime.events import Event, StreamSink, Unavailable
from scaleworthy.switchboard.live.hub import Hub
from scaleworthy.switchboard.live.sources import CHANNEL, KEPT

QUEUED = "webhook.received"
PREFIX = "switchboard:events:"
PARTITIONS = 4


def valkey(url: str) -> Redis:
    """Return a client whose every answer is due within a second, or, where a server is left to wait, two."""
    options: dict[str, Any] = {"socket_connect_timeout": 1, "socket_timeout": 3, "retry": None}
    return Redis.from_url(url, **options)


class ToValkey:
    """A relay's sink: webhooks to a stream, from which they are handled once; then every event to the stream for live sockets."""

    def __init__(self, url: str) -> None:
        self._client = valkey(url)
        self._queue = StreamSink(valkey(url), prefix=PREFIX, partitions=PARTITIONS)

    async def publish(self, events: Sequence[Event]) -> list[Exception | None]:
        """Publish *events*; one that is heard twice by live sockets, after a failure, has the same id."""
        results: list[Exception | None] = [None] * len(events)
        places = [place for place, event in enumerate(events) if event.topic == QUEUED]
        if places:
            answers = await self._queue.publish([events[place] for place in places])
            for place, answer in zip(places, answers, strict=True):
                results[place] = answer
        # All or none: of a Valkey that fills up meanwhile, a socket would hear later ones before those that come again.
        pipeline = self._client.pipeline(transaction=True)
        for event, result in zip(events, results, strict=True):
            if result is None:
                pipeline.xadd(CHANNEL, {"m": message_of(event)}, maxlen=KEPT, approximate=True)
        try:
            await pipeline.execute()
        except Exception as error:  # noqa: BLE001 - whatever the library raises, they come again
            return [Unavailable(f"Valkey: {error or type(error).__name__}")] * len(events)
        return results

    async def close(self) -> None:
        """Close the connections."""
        await self._queue.close()
        await self._client.aclose()


class ToThisProcess:
    """A relay's sink without Valkey: one process, which hears and handles its own."""

    def __init__(self, hub: Hub, handle: Callable[[Event], Awaitable[None]]) -> None:
        self._hub = hub
        self._handle = handle

    async def publish(self, events: Sequence[Event]) -> list[Exception | None]:
        """Handle and tell."""
        results: list[Exception | None] = []
        for event in events:
            try:
                if event.topic == QUEUED:
                    await self._handle(event)
                await self._hub.tell(event.tenant, event.topic, orjson.dumps(event.payload))
                results.append(None)
            except Exception as error:  # noqa: BLE001 - the relay counts its attempts
                results.append(error)
        return results

    async def close(self) -> None:
        """Nothing is held."""


def message_of(event: Event) -> bytes:
    """Return *event* as live listeners hear it."""
    return b"%b|%b|%b" % (event.tenant.encode(), event.topic.encode(), orjson.dumps(event.payload))
