"""A user's WebSocket: `async with user.websocket("/live") as ws: await ws.send("…"); message = await ws.receive()`."""

from __future__ import annotations

import asyncio
import json as json_module
from collections.abc import AsyncIterator, Awaitable, Mapping, Sequence
from functools import lru_cache
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, cast

from scaleworthy._native import Message, MessageFits, PreparedRequest, ScriptChannel
from scaleworthy.load.scenarios.errors import ExpectationFailed
from scaleworthy.load.scenarios.times import seconds_ns

if TYPE_CHECKING:
    from scaleworthy.load.scenarios.user import User

NORMAL, GOING_AWAY, SWITCHED = 1000, 1001, 101


class WebSocket:
    """An open WebSocket; leaving its block closes it.

    A `receive` behind a `send` waits for its answer: the two are one exchange, timed by the engine from the send to the message.
    What came before the send is no answer to it, and stays for who takes whatever comes.
    """

    def __init__(self, user: User, request: PreparedRequest, name: str) -> None:
        self._user = user
        self._request = request
        self._name = name
        self._opened: ScriptChannel | None = None

    @property
    def _channel(self) -> ScriptChannel:
        if self._opened is None:
            raise RuntimeError("the socket is not open: async with user.websocket(…) as ws: …")
        return self._opened

    async def __aenter__(self) -> Self:
        if self._opened is not None:
            raise RuntimeError("a socket is opened once: ask for another with user.websocket(…)")
        channel = self._opened = self._user.open(self._request)
        try:
            await channel.begun()
        except asyncio.CancelledError:
            channel.response.cancel()
            raise
        if channel.status != SWITCHED:
            text = f"wanted status {SWITCHED}, got {channel.status}"
            channel.response.count_failure("expect-status", text)
            raise ExpectationFailed("expect-status", text)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, asyncio.CancelledError):
            self._channel.response.cancel()
            return
        await self.close()

    def send(self, message: str | bytes | None = None, *, json: Any = None, name: str | None = None) -> Awaitable[None]:
        """Send text, bytes, or a value as JSON. Awaiting waits only while more than 64 KiB wait for the server to read.

        Raises:
            RequestFailed: The socket is closed (`ws-close`).
        """
        content = json_module.dumps(json, separators=(",", ":"), ensure_ascii=False) if message is None else message
        binary = not isinstance(content, str)
        content = content.encode() if isinstance(content, str) else bytes(content)
        return self._channel.say(content, binary, self._step(name))

    def receive(
        self,
        *,
        timeout: float | str | None = None,
        contains: str | Sequence[str] | None = None,
        matches: str | None = None,
        json: Mapping[str, Any] | None = None,
        name: str | None = None,
    ) -> Awaitable[Message]:
        """Wait for the next message, or the first that is all of what is given; others are passed over.

        Args:
            timeout: In place of the plan's: seconds, or text such as "500ms".
            contains: Texts in it.
            matches: A regular expression that is found in it.
            json: JSONPath → the value there; None asks only that there is one.
            name: What the exchange is called in the results.

        Raises:
            RequestFailed: None in time (`timeout`), or the server has closed the socket (`ws-close`); it is counted.
        """
        fits = _fits(contains, matches, json)
        return self._channel.hear(self._step(name), None if timeout is None else seconds_ns(timeout), fits)

    def ask(
        self,
        message: str | bytes | None = None,
        *,
        json: Any = None,
        name: str | None = None,
        timeout: float | str | None = None,
        fits: Mapping[str, Any] | None = None,
    ) -> Awaitable[Message]:
        """Send, and wait for the answer: the next message, or the first that is all of *fits* (`contains`, `matches`, `json`)."""
        if self.close_code is None:
            self.send(message, json=json, name=name)
        return self.receive(timeout=timeout, name=name, **(fits or {}))

    def ping(self, *, timeout: float | str | None = None, name: str | None = None) -> Awaitable[int]:
        """Send a ping; return the nanoseconds to its pong.

        Raises:
            RequestFailed: None in time, or the socket is closed.
        """
        step = self._step(name or f"{self._name} ping")
        return self._channel.ping(step, None if timeout is None else seconds_ns(timeout))

    async def close(self, code: int = NORMAL, reason: str = "") -> None:
        """Close it and wait for the server to agree; does nothing where it is closed.

        Raises:
            ValueError: A code that may not be sent.
        """
        channel = self._channel
        channel.close(code, reason)
        await channel.response

    def __aiter__(self) -> AsyncIterator[Message]:
        return cast("AsyncIterator[Message]", self._channel)

    @property
    def subprotocol(self) -> str | None:
        """What the server chose of those that were offered."""
        return self._channel.header("sec-websocket-protocol")

    @property
    def close_code(self) -> int | None:
        """The code that it was closed with; None while it is open."""
        return self._channel.close_code

    @property
    def dropped(self) -> int:
        """How many messages nobody took and went for newer ones (1,000, or 1 MiB, are kept); known behind the end."""
        return self._channel.dropped

    def _step(self, name: str | None) -> int:
        return self._user.world.step(name or f"{self._name} message")


def _fits(
    contains: str | Sequence[str] | None, matches: str | None, json: Mapping[str, Any] | None
) -> MessageFits | None:
    if contains is None and matches is None and json is None:
        return None
    texts = [contains] if isinstance(contains, str) else list(contains or ())
    return _read(json_module.dumps({"contains": texts, "matches": matches, "json": list((json or {}).items())}))


@lru_cache(maxsize=1_000)
def _read(text: str) -> MessageFits:
    return MessageFits(text)
