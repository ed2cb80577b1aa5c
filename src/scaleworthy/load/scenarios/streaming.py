"""Answers in events: `async with user.stream(…) as stream: async for event in stream: …`, or whole, `stream="sse"`."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from scaleworthy._native import PreparedRequest, Response, ScriptChannel, StreamEvent, StreamTotals
from scaleworthy.load.scenarios.errors import RequestFailed
from scaleworthy.load.scenarios.times import seconds_ns

if TYPE_CHECKING:
    from scaleworthy.load.scenarios.user import User

KINDS = ("sse", "ndjson", "llm")
_UNIT_NS = {"ns": 1.0, "us": 1e3, "ms": 1e6, "s": 1e9}
_FIELDS = ("kind", "goodput", "age", "events_max", "for")
_LIMITS = ("ttft", "tpot", "e2e")


class Stream:
    """An answer that is read event by event, each stamped by the engine when it arrives.

    Events wait in the engine until they are taken, at most 1,000 or 1 MiB of them: then the connection is not read from, and the
    service waits. Leaving the block ends the answer: the connection is closed, or the HTTP/2 stream reset.
    """

    def __init__(self, user: User, request: PreparedRequest) -> None:
        self._user = user
        self._request = request
        self._opened: ScriptChannel | None = None

    @property
    def _channel(self) -> ScriptChannel:
        if self._opened is None:
            raise RuntimeError("the stream is not open: async with user.stream(…) as stream: …")
        return self._opened

    async def __aenter__(self) -> Self:
        if self._opened is not None:
            raise RuntimeError("a stream is opened once: ask for another with user.stream(…)")
        self._opened = self._user.open(self._request)
        try:
            await self._opened.begun()
        except asyncio.CancelledError:
            self._opened.response.cancel()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        response = self._channel.response
        if isinstance(error, asyncio.CancelledError):
            response.cancel()
            return
        self._channel.enough()
        try:
            await response
        except RequestFailed:
            if error is None:
                raise

    def __aiter__(self) -> AsyncIterator[StreamEvent]:
        return self._channel

    @property
    def status(self) -> int:
        """The answer's status; what is no success has no events."""
        return self._channel.status

    @property
    def response(self) -> Response:
        """The answer as a whole, to be held to something once it is over: `stream.response.expect(status=200)`."""
        return self._channel.response

    @property
    def totals(self) -> StreamTotals | None:
        """What it was as a whole, behind the block; None where the answer is no success."""
        return self.response.stream


def stream_text(wanted: str | Mapping[str, Any]) -> str:
    """Return how events are read, in the engine's form, from `"sse"` or a mapping as a plan's `stream` is.

    Raises:
        ValueError: No kind of stream, or a field that none has.
    """
    given: Mapping[str, Any] = {"kind": wanted} if isinstance(wanted, str) else wanted
    unknown = [name for name in given if name not in _FIELDS]
    if unknown:
        raise ValueError(f"stream has no {unknown[0]!r} here; it has {', '.join(_FIELDS)}")
    kind = given.get("kind")
    if kind not in KINDS:
        raise ValueError(f"a stream is one of {', '.join(KINDS)}, got {kind!r}")
    native: dict[str, Any] = {"kind": kind, "events_max": given.get("events_max")}
    if given.get("for") is not None:
        native["for_ns"] = seconds_ns(given["for"])
    if given.get("goodput") is not None:
        native["goodput"] = _goodput(kind, given["goodput"])
    if given.get("age") is not None:
        native["age"] = _age(given["age"])
    return json.dumps(native)


def _goodput(kind: str, limits: Mapping[str, float | str]) -> dict[str, int]:
    if kind != "llm":
        raise ValueError(f"goodput is for kind='llm', got {kind!r}")
    if not limits or any(name not in _LIMITS for name in limits):
        raise ValueError(f"goodput has limits out of {', '.join(_LIMITS)}, got {dict(limits)!r}")
    return {f"{name}_ns": seconds_ns(limit) for name, limit in limits.items()}


def _age(where: Mapping[str, str]) -> dict[str, Any]:
    if set(where) != {"json", "unit"} or where["unit"] not in _UNIT_NS:
        raise ValueError(
            f"age says where and in which unit, such as {{'json': '$.sent_ms', 'unit': 'ms'}}, got {where!r}"
        )
    return {"path": where["json"], "unit_ns": _UNIT_NS[where["unit"]]}
