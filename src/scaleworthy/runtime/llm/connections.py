"""Connections to providers: HTTP/1.1 on asyncio's transports, read by httptools (llhttp, in C), kept for the next call.

Ours, because an answer comes as hundreds of chunks and each costs: through httpx several times the CPU of one here
(benchmarks/bench_llm.py). And because a stream that nobody reads any more ends at once here: the connection is aborted, not read to
its end.

Not here: proxies, redirects, compression, HTTP/2; what a body means (wire.py).
"""

from __future__ import annotations

import asyncio
import ssl
from typing import TYPE_CHECKING, cast
from urllib.parse import urlsplit

from scaleworthy.errors import MissingExtra
from scaleworthy.runtime.llm.model import Provider

if TYPE_CHECKING:
    import httptools

# A reader that does not keep up stops the provider from sending at so much that is not yet read.
_UNREAD_MOST_BYTES = 256 * 1024
_HEAD_MOST_BYTES = 64 * 1024
# A message that has said all it has to say may take so long to end; then its connection is closed.
_END_S = 1.0


class Broken(Exception):
    """The connection ended, or what came is not HTTP."""


class Connection(asyncio.Protocol):
    """One connection: a request at a time. `head` and `body` wait, at most until the loop's time they are given.

    Attributes:
        is_fresh: Whether nothing has been asked on it before.
        has_answered: Whether anything came since the request.
        is_complete: Whether the answer has ended.
    """

    def __init__(self, parser: type[httptools.HttpResponseParser]) -> None:
        self._make_parser = parser
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._until = 0.0
        self._failure: BaseException | None = None
        self._is_paused = False
        self._ended: asyncio.TimerHandle | None = None
        self._on_end: Connections | None = None
        self.idle_since = 0.0
        self.is_fresh = True
        self._begin()

    def _begin(self) -> None:
        self._parser = self._make_parser(self)
        self._chunks: list[bytes] = []
        self._unread = self._head_bytes = 0
        self._keeps = False
        self._has_length = False
        self.status: int | None = None
        self.headers: dict[str, str] = {}
        self.has_answered = self.is_complete = False

    @property
    def is_open(self) -> bool:
        """Whether another request can be made on it."""
        return self._failure is None and self._transport is not None and not self._transport.is_closing()

    def send(self, request: bytes) -> None:
        """Ask."""
        assert self._transport is not None
        self._begin()
        self._transport.write(request)

    async def head(self, until: float) -> int:
        """Return the answer's status.

        Raises:
            Broken: The connection ended before.
            TimeoutError: It is *until*.
        """
        while self.status is None:
            if self._failure is not None:
                raise self._failure
            await self._wait(until)
        return self.status

    async def body(self, until: float) -> bytes | None:
        """Return what has come of the body since, waiting for some; None: it has ended.

        Raises:
            Broken: It broke off.
            TimeoutError: It is *until*.
        """
        while not self._chunks:
            if self.is_complete:
                return None
            if self._failure is not None:
                raise self._failure
            await self._wait(until)
        data = self._chunks[0] if len(self._chunks) == 1 else b"".join(self._chunks)
        self._chunks.clear()
        self._unread = 0
        if self._is_paused:
            assert self._transport is not None
            self._is_paused = False
            self._transport.resume_reading()
        return data

    def abort(self) -> None:
        """End it now, whatever is under way."""
        self._settle_timer()
        if self._transport is not None:
            self._transport.abort()

    def end_into(self, kept: Connections) -> None:
        """Give it back to *kept* once the message has ended: now, or soon, or it is closed."""
        self._settle_timer()
        if self.is_complete:
            kept.keep(self)
        else:
            self._on_end = kept
            self._ended = self._loop.call_later(_END_S, self.abort)
            kept.expect(self)

    @property
    def keeps(self) -> bool:
        """Whether the other side lets another request follow."""
        return self._keeps and self.is_open

    # What asyncio calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        # uvloop's is one by what it does, not by its bases.
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Read what came."""
        try:
            self._parser.feed_data(data)
        except Exception as error:  # noqa: BLE001 - llhttp's errors, and those of the calls below that it wraps
            self._fail(Broken(f"not HTTP: {error}"))
            self.abort()
            return
        if self.status is None:
            self._head_bytes += len(data)
            if self._head_bytes > _HEAD_MOST_BYTES:
                self._fail(Broken(f"headers of more than {_HEAD_MOST_BYTES:,} bytes"))
                self.abort()

    def eof_received(self) -> None:
        """Close, as the other side did."""

    def connection_lost(self, error: Exception | None) -> None:
        """Fail who waits; a body without a length has ended so."""
        if self.status is not None and not self._has_length and error is None and not self.is_complete:
            self.on_message_complete()
        self._fail(Broken(str(error) if error is not None else "the connection was closed"))
        self._settle_timer()

    # What llhttp calls.

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header."""
        self.headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        """Wake who waits for the head; what only says that there is more to come is none."""
        status = self._parser.get_status_code()
        if status < 200:
            self.headers.clear()
            return
        self.has_answered = True
        self._keeps = self._parser.should_keep_alive()
        self._has_length = "content-length" in self.headers or "chunked" in self.headers.get("transfer-encoding", "")
        self.status = status
        self._wake()

    def on_body(self, data: bytes) -> None:
        """Keep it for who reads; stop the sender where that one is behind."""
        self._chunks.append(data)
        self._unread += len(data)
        if self._unread > _UNREAD_MOST_BYTES and not self._is_paused and self._transport is not None:
            self._is_paused = True
            self._transport.pause_reading()
        self._wake()

    def on_message_complete(self) -> None:
        """The answer is whole."""
        if self.status is None:
            return
        self.is_complete = True
        if self._ended is not None:
            self._ended.cancel()
            self._ended = None
        if self._on_end is not None:
            kept, self._on_end = self._on_end, None
            kept.keep(self)
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _fail(self, error: Exception) -> None:
        if self._failure is None:
            self._failure = error
        self._wake()

    async def _wait(self, until: float) -> None:
        self._until = until
        # One timer for many waits: each ends later than the one before, and the timer looks again when it comes too early.
        if self._timer is None:
            self._timer = self._loop.call_at(until, self._look)
        self._waiter = self._loop.create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _look(self) -> None:
        self._timer = None
        if self._waiter is None or self._waiter.done():
            return
        if self._loop.time() >= self._until:
            self._waiter.set_exception(TimeoutError())
        else:
            self._timer = self._loop.call_at(self._until, self._look)

    def _settle_timer(self) -> None:
        for timer in (self._timer, self._ended):
            if timer is not None:
                timer.cancel()
        self._timer = self._ended = None


class Connections:
    """Those to one provider that are kept for the next call.

    Args:
        provider: Where to.
        idle_most: How many are kept.
        idle_s: For how long: less than servers and what is between keep them.

    Raises:
        MissingExtra: httptools is not installed.
    """

    def __init__(self, provider: Provider, *, idle_most: int = 50, idle_s: float = 20.0) -> None:
        try:
            import httptools
        except ImportError as error:
            raise MissingExtra("llm", needed_for="the LLM gateway") from error
        self._parser = httptools.HttpResponseParser
        parts = urlsplit(provider.url)
        self._host = parts.hostname or ""
        self._port = parts.port or (443 if parts.scheme == "https" else 80)
        self._is_tls = parts.scheme == "https"
        self._tls = provider.tls
        self._idle: list[Connection] = []
        self._ending: set[Connection] = set()
        self._idle_most = idle_most
        self._idle_s = idle_s
        self._is_closed = False

    async def acquire(self, until: float, *, fresh: bool = False) -> Connection:
        """Return a connection.

        Raises:
            OSError: There is none to be had.
            TimeoutError: Not until then.
        """
        loop = asyncio.get_running_loop()
        while self._idle and not fresh:
            kept = self._idle.pop()
            if kept.is_open and loop.time() - kept.idle_since < self._idle_s:
                kept.is_fresh = False
                return kept
            kept.abort()
        if self._is_tls and self._tls is None:
            self._tls = ssl.create_default_context()
        async with asyncio.timeout_at(until):
            _, connection = await loop.create_connection(
                lambda: Connection(self._parser), self._host, self._port, ssl=self._tls if self._is_tls else None
            )
        return connection

    def expect(self, connection: Connection) -> None:
        """Know of a connection whose answer is about to end."""
        self._ending = {known for known in self._ending if known.is_open}
        self._ending.add(connection)

    def keep(self, connection: Connection) -> None:
        """Keep a connection whose answer has ended."""
        self._ending.discard(connection)
        if self._is_closed or not connection.keeps or len(self._idle) >= self._idle_most:
            connection.abort()
            return
        connection.idle_since = asyncio.get_running_loop().time()
        self._idle.append(connection)

    def close(self) -> None:
        """Close those that are kept or about to be; those in use are when they come back."""
        self._is_closed = True
        for connection in (*self._idle, *self._ending):
            connection.abort()
        self._idle.clear()
        self._ending.clear()
