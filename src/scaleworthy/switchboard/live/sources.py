"""Where a process hears of events: of the database's notifications, or of a stream of Valkey's. Both are heard by every process.

What is notified while the connection is gone is not heard; a stream is read on from where a process was. Where events may be missing every
socket is told `gap`: a client then reads what it shows once more.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from typing import Any, Protocol

import psycopg
from psycopg import AsyncConnection
from redis.asyncio import Redis
from redis.exceptions import RedisError

from scaleworthy.runtime.events.cancelling import heed_cancellation
from scaleworthy.switchboard.live.hub import Hub

CHANNEL = "switchboard_events"
# How many events the stream keeps for a process that was cut off.
KEPT = 10_000
_AGAIN_S = 0.5
_FIRST_S = 1.0
_GAP = b'{"type":"gap","data":{"reason":"events may be missing: the service was cut off from them for a moment"}}'


# Awaited when events are heard, with whether some may have been missed.
Ready = Callable[[bool], Awaitable[None]]


class Source(Protocol):
    """Hears of events."""

    def messages(self, ready: Ready) -> AsyncIterator[bytes]:
        """Yield each as `tenant|kind|data`, after *ready* was awaited."""


class Notifications:
    """LISTEN in the database."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._began = False

    async def messages(self, ready: Ready) -> AsyncIterator[bytes]:
        """Yield notifications."""
        async with await AsyncConnection.connect(self._dsn, autocommit=True, connect_timeout=2) as connection:
            await connection.execute(f"listen {CHANNEL}".encode())
            await ready(self._began)
            self._began = True
            async for notification in connection.notifies():
                yield notification.payload.encode()


class Stream:
    """A stream of Valkey's, read by every process from where it was: a server that was gone for a moment costs no event."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._last: bytes | None = None

    async def messages(self, ready: Ready) -> AsyncIterator[bytes]:
        """Yield entries; a server that says nothing for three seconds, where it was to answer within one, counts as gone."""
        options: dict[str, Any] = {"socket_connect_timeout": 1, "socket_timeout": 3, "retry": None}
        async with Redis.from_url(self._url, **options) as client:
            missed = await self._find_place(client)
            await ready(missed)
            while True:
                answer: Any = await client.xread({CHANNEL: self._last or b"0"}, count=1_000, block=1_000)
                heed_cancellation()
                for _, found in (answer.items() if isinstance(answer, dict) else answer) or []:
                    # RESP3 has the entries in a list of their own.
                    for entry, fields in found[0] if found and isinstance(found[0], list) else found:
                        yield fields[b"m"]
                        self._last = entry

    async def _find_place(self, client: Redis) -> bool:
        """Begin at the stream's end, or go on where this process was; return whether what came then is gone."""
        if self._last is None:
            newest: Any = await client.xrevrange(CHANNEL, count=1)
            self._last = newest[0][0] if newest else b"0-0"
            return False
        oldest: Any = await client.xrange(CHANNEL, count=1)
        is_cut = bool(oldest) and await client.xlen(CHANNEL) >= KEPT
        return is_cut and _as_numbers(oldest[0][0]) > _as_numbers(self._last)


def _as_numbers(entry: bytes) -> tuple[int, int]:
    at, _, number = entry.partition(b"-")
    return int(at), int(number)


class Listener:
    """Passes on to *hub* what *source* hears, again and again where it is gone."""

    def __init__(self, hub: Hub, source: Source) -> None:
        self._hub = hub
        self._source = source
        self._task: asyncio.Task[None] | None = None
        self._reason: str | None = "events are not heard: nobody listens yet"
        self._began = asyncio.Event()

    async def start(self) -> None:
        """Begin to listen, and wait for it, a second at most: sockets that come before miss events."""
        self._task = asyncio.create_task(self._run())
        with suppress(TimeoutError):
            async with asyncio.timeout(_FIRST_S):
                await self._began.wait()

    async def stop(self) -> None:
        """End."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def trouble(self) -> str | None:
        """Return why events are not heard, or None."""
        return self._reason

    async def _run(self) -> None:
        while True:
            try:
                async for message in self._source.messages(self._ready):
                    heed_cancellation()
                    tenant, _, rest = message.partition(b"|")
                    kind, _, data = rest.partition(b"|")
                    await self._hub.tell(tenant.decode(), kind.decode(), data)
                self._reason = "events are not heard: the connection ended"
            except (psycopg.Error, RedisError, OSError) as error:
                self._reason = f"events are not heard: {str(error).partition(chr(10))[0] or type(error).__name__}"
            heed_cancellation()
            await asyncio.sleep(_AGAIN_S)

    async def _ready(self, missed: bool) -> None:
        self._reason = None
        # Whoever came before the first time waited for events that nobody heard.
        if missed or not self._began.is_set():
            await self._hub.tell_all(_GAP)
        self._began.set()
