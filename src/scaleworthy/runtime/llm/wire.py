"""OpenAI's chat completions: one streamed call, what comes of it, and what its errors mean."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any

from scaleworthy.errors import MissingExtra, ScaleworthyError
from scaleworthy.runtime.llm.connections import Broken, Connection, Connections
from scaleworthy.runtime.llm.model import Model, Usage

try:
    from orjson import loads
except ImportError as _error:
    raise MissingExtra("llm", needed_for="the LLM gateway") from _error

Message = Mapping[str, Any]

_CONNECT_S = 5.0
_LINE_MOST_BYTES = 1024 * 1024
_REFUSAL_MOST_BYTES = 64 * 1024
_RETRY_AFTER_MOST_S = 3_600.0


class CallFailed(ScaleworthyError):
    """The provider did not answer, or with an error. *status* None: there was no answer; *retry_after_s*: as it said.

    `is_worth_another` tells whether another model may do better: it refused for now, failed, was too slow, or does not take our key;
    a request that is wrong is wrong everywhere.
    """

    def __init__(self, model: str, reason: str, *, status: int | None, retry_after_s: float | None = None) -> None:
        self.status = status
        self.retry_after_s = retry_after_s
        self.reason = reason
        super().__init__(f"{model}: {reason}")

    @property
    def is_worth_another(self) -> bool:
        """Whether another model may do better."""
        return self.status is None or self.status in (401, 402, 403, 408, 409, 425, 429) or self.status >= 500


@dataclass(slots=True)
class Piece:
    """A part of an answer; the last has the usage, where the provider counts it."""

    text: str
    usage: Usage | None = None
    finish: str | None = None


async def pieces(
    connections: Connections,
    model: Model,
    messages: Sequence[Message],
    options: Mapping[str, Any],
    *,
    begin_s: float,
    within_s: float,
) -> AsyncGenerator[Piece]:
    """Ask *model*, streamed; yield the parts of its answer. Closing the generator closes the stream at once.

    Args:
        connections: To its provider.
        model: Which, and where.
        messages, options: As the provider takes them.
        begin_s: How long it may take to begin.
        within_s: How long all of it may take.

    Raises:
        CallFailed: No answer, an error, a pause of more than the model's timeout_s, or a stream that broke off, cannot be read or does
            not end.
    """
    loop = asyncio.get_running_loop()
    ends_at = loop.time() + within_s
    silent_s = begin_s
    until = min(loop.time() + begin_s, ends_at)
    connection: Connection | None = None
    is_over = False
    try:
        connection = await _answered(connections, _request(model, messages, options), until)
        if connection.status != 200:
            raise _refusal(model.name, connection, await _all(connection, until, _REFUSAL_MOST_BYTES))
        if "json" in connection.headers.get("content-type", ""):
            # It does not stream, whatever was asked.
            yield _piece(model.name, await _all(connection, until, model.answer_most_bytes))
            return
        is_finished, size, rest = False, 0, b""
        while (data := await connection.body(until)) is not None:
            size += len(data)
            *lines, rest = (rest + data).split(b"\n")
            for line in lines:
                # Comments, which keep the connection alive and say nothing, are silence too.
                if not line.startswith(b"data:"):
                    continue
                said = line[5:].strip()
                if said == b"[DONE]":
                    is_over = True
                    return
                silent_s = model.timeout_s
                until = min(loop.time() + silent_s, ends_at)
                piece = _piece(model.name, said)
                is_finished |= piece.finish is not None
                yield piece
            # What has come is passed on first: it has been paid for.
            if size > model.answer_most_bytes or len(rest) > _LINE_MOST_BYTES:
                raise CallFailed(model.name, f"its answer does not end: {size:,} bytes so far", status=None)
        if not is_finished:
            raise CallFailed(model.name, "the answer broke off", status=None)
    except TimeoutError as error:
        reason = "the deadline passed" if loop.time() >= ends_at else f"nothing came for {silent_s:.3g} s"
        raise CallFailed(model.name, reason, status=None) from error
    except (Broken, OSError) as error:
        reason = str(error) or type(error).__name__
        raise CallFailed(
            model.name, reason if connection is None else f"the answer broke off: {reason}", status=None
        ) from error
    finally:
        if connection is not None:
            if is_over or connection.is_complete:
                connection.end_into(connections)
            else:
                connection.abort()


async def _answered(connections: Connections, request: bytes, until: float) -> Connection:
    """Return a connection on which *request* is being answered; one that was kept may have ended meanwhile, then on a fresh one."""
    loop = asyncio.get_running_loop()
    for fresh in (False, True):
        connection = await connections.acquire(min(until, loop.time() + _CONNECT_S), fresh=fresh)
        try:
            connection.send(request)
            await connection.head(until)
        except BaseException as error:
            connection.abort()
            if isinstance(error, Broken) and not (connection.is_fresh or connection.has_answered):
                continue
            raise
        return connection
    raise Broken("the connection was closed")


async def _all(connection: Connection, until: float, most_bytes: int) -> bytes:
    whole = b""
    while len(whole) <= most_bytes and (data := await connection.body(until)) is not None:
        whole += data
    return whole


def _request(model: Model, messages: Sequence[Message], options: Mapping[str, Any]) -> bytes:
    said = {**options, "model": model.called or model.name, "messages": list(messages), "stream": True}
    said["stream_options"] = {"include_usage": True}
    try:
        body = json.dumps(said, separators=(",", ":"), allow_nan=False).encode()
    except (TypeError, ValueError) as error:
        raise CallFailed(model.name, f"the call cannot be written as JSON: {error}", status=400) from error
    return model.provider.head + f"content-length: {len(body)}\r\n\r\n".encode() + body


def _piece(model: str, data: bytes) -> Piece:
    try:
        said = loads(data)
        if "error" in said:
            raise _said_error(model, said["error"])
        usage = said.get("usage")
        counted = None if not usage else _usage(usage)
        if not said["choices"]:
            return Piece("", counted)
        choice = said["choices"][0]
        text = (choice.get("delta") or choice.get("message") or {}).get("content") or ""
        if not isinstance(text, str):
            raise TypeError("content that is no text")
        return Piece(text, counted, choice.get("finish_reason"))
    except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        raise CallFailed(model, f"an answer that cannot be read: {data[:80]!r}", status=502) from error


def _usage(said: Mapping[str, Any]) -> Usage:
    details = said.get("prompt_tokens_details") or {}
    counts = int(said["prompt_tokens"]), int(said["completion_tokens"]), int(details.get("cached_tokens") or 0)
    if min(counts) < 0:
        raise ValueError("a count below 0")
    return Usage(counts[0], counts[1], cached=min(counts[2], counts[0]))


def _said_error(model: str, error: Any) -> CallFailed:
    code = error.get("code") if isinstance(error, dict) else None
    reason = error.get("message", error) if isinstance(error, dict) else error
    return CallFailed(model, str(reason)[:500], status=code if isinstance(code, int) and code >= 400 else 500)


def _refusal(model: str, connection: Connection, body: bytes) -> CallFailed:
    try:
        reason = str(loads(body)["error"]["message"])[:500]
    except (ValueError, KeyError, TypeError):
        reason = body[:200].decode(errors="replace")
    status = connection.status or 0
    retry_after_s = _retry_after_s(connection.headers.get("retry-after", ""), connection.headers.get("date", ""))
    return CallFailed(model, f"{status} {reason}", status=status, retry_after_s=retry_after_s)


def _retry_after_s(said: str, date: str) -> float | None:
    """Return seconds from now: a number, or a date beside that of the answer, so that no clock of ours is asked."""
    try:
        seconds = float(said)
    except ValueError:
        try:
            seconds = (parsedate_to_datetime(said) - parsedate_to_datetime(date)).total_seconds()
        except (ValueError, TypeError):
            return None
    return min(max(0.0, seconds), _RETRY_AFTER_MOST_S) if math.isfinite(seconds) else None
