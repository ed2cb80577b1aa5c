"""OpenAI's chat completions over HTTP: one call, whole or streamed, and what its errors mean."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from scaleworthy.errors import MissingExtra, ScaleworthyError
from scaleworthy.runtime.llm.model import Model, Usage

if TYPE_CHECKING:
    import httpx

Message = Mapping[str, Any]


class CallFailed(ScaleworthyError):
    """The provider did not answer, or with an error. *status* None: there was no answer; *retry_after_s*: as it said.

    `is_worth_another` tells whether another model may do better: it refused for now, failed or was too slow; a request that is wrong is
    wrong everywhere.
    """

    def __init__(self, model: str, reason: str, *, status: int | None, retry_after_s: float | None = None) -> None:
        self.status = status
        self.retry_after_s = retry_after_s
        super().__init__(f"{model}: {reason}")

    @property
    def is_worth_another(self) -> bool:
        """Whether another model may do better."""
        return self.status is None or self.status in (408, 409, 425, 429) or self.status >= 500


@dataclass(slots=True)
class Piece:
    """A part of an answer; the last has the usage, where the provider counts it."""

    text: str
    usage: Usage | None = None
    finish: str | None = None


def client() -> httpx.AsyncClient:
    """Return the client calls are made with.

    Raises:
        MissingExtra: httpx is not installed.
    """
    try:
        import httpx
    except ImportError as error:
        raise MissingExtra("llm", needed_for="the LLM gateway") from error
    return httpx.AsyncClient(limits=httpx.Limits(max_connections=200, max_keepalive_connections=50))


async def pieces(
    http: httpx.AsyncClient,
    model: Model,
    messages: Sequence[Message],
    options: Mapping[str, Any],
    *,
    silent_most_s: float,
) -> AsyncIterator[Piece]:
    """Ask *model*, streamed; yield the parts of its answer.

    Args:
        http: From `client`.
        model: Which, and where.
        messages, options: As the provider takes them.
        silent_most_s: How long it may take to begin, and pause.

    Raises:
        CallFailed: No answer, an error, or a stream that broke off.
    """
    import httpx

    body = {**options, "model": model.name, "messages": list(messages), "stream": True}
    body["stream_options"] = {"include_usage": True}
    headers = {"authorization": f"Bearer {model.provider.key}"} if model.provider.key else {}
    url = f"{model.provider.url.rstrip('/')}/chat/completions"
    timeout = httpx.Timeout(silent_most_s, connect=min(silent_most_s, 5.0))
    try:
        async with http.stream("POST", url, json=body, headers=headers, timeout=timeout) as answer:
            if answer.status_code != 200:
                raise _refusal(model.name, answer.status_code, answer.headers, await answer.aread())
            finished = False
            async for line in answer.aiter_lines():
                if not line.startswith("data:"):
                    continue
                data = line[5:].strip()
                if data == "[DONE]":
                    return
                piece = _piece(model.name, data)
                finished |= piece.finish is not None
                yield piece
            if not finished:
                raise CallFailed(model.name, "the answer broke off", status=None)
    except httpx.TimeoutException as error:
        raise CallFailed(model.name, f"nothing came for {silent_most_s:g} s", status=None) from error
    except httpx.HTTPError as error:
        raise CallFailed(model.name, str(error) or type(error).__name__, status=None) from error


def _piece(model: str, data: str) -> Piece:
    try:
        said = json.loads(data)
        if "error" in said:
            raise CallFailed(model, str(said["error"].get("message", said["error"])), status=500)
        usage = said.get("usage")
        counted = None if not usage else Usage(usage["prompt_tokens"], usage["completion_tokens"])
        if not said["choices"]:
            return Piece("", counted)
        choice = said["choices"][0]
        return Piece(choice.get("delta", {}).get("content") or "", counted, choice.get("finish_reason"))
    except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        raise CallFailed(model, f"an answer that cannot be read: {data[:80]!r}", status=502) from error


def _refusal(model: str, status: int, headers: Mapping[str, str], body: bytes) -> CallFailed:
    try:
        reason = json.loads(body)["error"]["message"]
    except (ValueError, KeyError, TypeError):
        reason = body[:200].decode(errors="replace")
    try:
        retry_after_s = float(headers.get("retry-after", ""))
    except ValueError:
        retry_after_s = None
    return CallFailed(model, f"{status} {reason}", status=status, retry_after_s=retry_after_s)
