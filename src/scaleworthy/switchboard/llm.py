"""A language model's endpoint that is none: it speaks OpenAI's chat completions, keeps limits, stalls and fails when told to.

The same question has the same answer (llm_words.py), and counts of tokens are known. It is what the LLM gateway is tested against; it is
not clever.

Beside `POST /v1/chat/completions` and `GET /v1/models`: `GET /counts` says what it was asked, `PUT /settings` changes how it behaves from
the next request on, and begins to count anew.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import asdict, dataclass, field
from random import Random
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from scaleworthy.errors import InvalidInput
from scaleworthy.runtime.limit import Limit
from scaleworthy.switchboard.llm_settings import LlmSettings, changed
from scaleworthy.switchboard.llm_words import endless, prompt_tokens, tokens_of

# A stream without an end ends all the same.
_ENDLESS_TOKENS = 50_000_000


@dataclass
class LlmCounts:
    """What it was asked: requests, those refused by limits, streams that clients left, tokens sent, streams under way now and at most."""

    asked: int = 0
    refused: int = 0
    left: int = 0
    tokens: int = 0
    under_way: int = 0
    at_once_most: int = 0


@dataclass
class Llm:
    """The endpoint's state: limits by model, and counts of what it was asked."""

    settings: LlmSettings
    now_ns: Callable[[], int] | None = None
    counts: LlmCounts = field(default_factory=LlmCounts)
    _limits: dict[tuple[str, str, int], Limit] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._rng = Random(self.settings.seed)

    async def complete(self, request: Request) -> Response:
        """Answer `POST /v1/chat/completions`."""
        settings = self.settings
        if settings.key is not None and request.headers.get("authorization") != f"Bearer {settings.key}":
            return _error(401, "incorrect API key provided", "invalid_request_error")
        try:
            said = json.loads(await request.body())
            model, messages = str(said["model"]), [str(message["content"]) for message in said["messages"]]
            wanted = int(said.get("max_completion_tokens") or said.get("max_tokens") or settings.tokens)
            schema = _schema(said)
        except (ValueError, KeyError, TypeError, AttributeError):
            return _error(400, "a model and messages with contents are wanted", "invalid_request_error")
        if settings.models and model not in settings.models:
            return _error(404, f"there is no model {model!r}", "invalid_request_error")
        self.counts.asked += 1
        tokens = tokens_of(messages, max(1, min(wanted, settings.tokens) if schema is None else wanted), schema)
        prompt, wanted = prompt_tokens(messages), len(tokens)
        refusal = self._over_limits(model, prompt + wanted)
        if refusal is not None:
            self.counts.refused += 1
            return refusal
        fault = settings.fault(self._rng.random())
        if fault == "failed":
            return _error(500, "something went wrong", "server_error")
        if fault == "stalled":
            await _until_gone(request)
            return Response(status_code=499)
        if not said.get("stream"):
            await asyncio.sleep(settings.first_s + wanted / settings.tokens_per_s)
            self.counts.tokens += wanted
            return JSONResponse(_whole(model, tokens, prompt))
        usage = bool((said.get("stream_options") or {}).get("include_usage"))
        texts = endless(messages) if fault == "endless" else iter(tokens)
        events = self._counted(self._events(model, texts, prompt, wanted, fault, usage=usage))
        return StreamingResponse(events, media_type="text/event-stream")

    async def say_counts(self, _request: Request) -> Response:
        """Answer `GET /counts`: what it was asked, for tests."""
        return JSONResponse(asdict(self.counts))

    async def models(self, _request: Request) -> Response:
        """Answer `GET /v1/models`."""
        named = [{"id": name, "object": "model", "owned_by": "switchboard"} for name in self.settings.models]
        return JSONResponse({"object": "list", "data": named})

    async def change(self, request: Request) -> Response:
        """Answer `PUT /settings`: behave so from now on, and count anew."""
        try:
            wanted = json.loads(await request.body())
            self.settings = changed(self.settings, dict(wanted))
        except (ValueError, TypeError, InvalidInput) as error:
            return _error(422, str(error), "invalid_request_error")
        self._rng = Random(self.settings.seed)
        self.counts = LlmCounts(under_way=self.counts.under_way)
        return JSONResponse(asdict(self.settings))

    async def _counted(self, events: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """Pass on *events*; count the streams that are under way, and those that nobody read to their end."""
        self.counts.under_way += 1
        self.counts.at_once_most = max(self.counts.at_once_most, self.counts.under_way)
        is_left = True
        try:
            async for event in events:
                yield event
            is_left = False
        finally:
            self.counts.under_way -= 1
            self.counts.left += is_left

    async def _events(
        self, model: str, texts: Iterator[str], prompt: int, wanted: int, fault: str | None, *, usage: bool
    ) -> AsyncIterator[bytes]:
        before, after = _around(model)
        middle = wanted // 2 if fault not in (None, "endless") else -1
        loop = asyncio.get_running_loop()
        rate, begins_at = self.settings.tokens_per_s, loop.time() + self.settings.first_s
        for number, text in enumerate(itertools.islice(texts, _ENDLESS_TOKENS)):
            late_s = begins_at + number / rate - loop.time()
            if late_s > 0:
                await asyncio.sleep(late_s)
            elif fault == "endless":
                await asyncio.sleep(0)
            event = before + json.dumps(text).encode() + after
            if number == middle:
                yield await _broken(fault or "", event)
                if fault in ("half", "broken"):
                    return
            self.counts.tokens += 1
            yield event
        yield _event(model, [{"index": 0, "delta": {}, "finish_reason": "stop"}])
        if usage:
            yield _event(model, [], usage=_usage(prompt, wanted))
        yield b"data: [DONE]\n\n"

    def _over_limits(self, model: str, tokens: int) -> Response | None:
        limits = (
            ("requests", self.settings.requests_per_minute, 1),
            ("tokens", self.settings.tokens_per_minute, tokens),
        )
        for what, per_minute, cost in limits:
            if per_minute is None:
                continue
            limit = self._limits.setdefault(
                (model, what, per_minute), Limit(f"{per_minute}/m", burst=per_minute, now_ns=self.now_ns)
            )
            verdict = limit.check(model, cost)
            if not verdict.allowed:
                wait_s = verdict.retry_after_s if verdict.retry_after_s is not None else 60.0
                headers = {"retry-after": f"{max(0.001, wait_s):.3f}"}
                said = f"the limit of {per_minute:,} {what} a minute is reached"
                return _error(429, said, "rate_limit_error", headers)
        return None


def create_app(settings: LlmSettings | None = None) -> Starlette:
    """Return the endpoint as an ASGI application; its state is `app.state.llm`."""
    llm = Llm(settings or LlmSettings())
    app = Starlette(
        routes=[
            Route("/v1/chat/completions", llm.complete, methods=["POST"]),
            Route("/v1/models", llm.models, methods=["GET"]),
            Route("/counts", llm.say_counts, methods=["GET"]),
            Route("/settings", llm.change, methods=["PUT"]),
        ]
    )
    app.state.llm = llm
    return app


def _schema(said: dict[str, Any]) -> dict[str, Any] | None:
    """Return the schema that an answer is to have, where one is asked for."""
    wanted = said.get("response_format") or {}
    schema = (wanted.get("json_schema") or {}).get("schema") if wanted.get("type") == "json_schema" else None
    return schema if isinstance(schema, dict) else None


async def _until_gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def _broken(fault: str, event: bytes) -> bytes:
    """Return what comes in place of *event* where an answer has a *fault*; or nothing does, and it is waited for."""
    if fault == "paused":
        await asyncio.Event().wait()
    if fault == "broken":
        # The server knows no better way to cut a connection in the middle of an answer.
        raise ConnectionAbortedError("cut, as it was told to")
    if fault == "half":
        return event[: len(event) // 2]
    return b'data: {"choices": [}\n\n' if fault == "garbled" else event[:-4] + b"\xff\xfe" + event[-4:]


def _around(model: str) -> tuple[bytes, bytes]:
    """Return what stands before and behind the text of each token's event."""
    choice = {"index": 0, "delta": {"content": "#"}, "finish_reason": None}
    before, _, after = _event(model, [choice]).partition(b'"#"')
    return before, after


def _whole(model: str, tokens: list[str], prompt: int) -> dict[str, Any]:
    choice = {"index": 0, "message": {"role": "assistant", "content": "".join(tokens)}, "finish_reason": "stop"}
    return {
        "id": "chatcmpl-switchboard",
        "object": "chat.completion",
        "created": int(time.time()),
        "model": model,
        "choices": [choice],
        "usage": _usage(prompt, len(tokens)),
    }


def _usage(prompt: int, completion: int) -> dict[str, int]:
    return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}


def _event(model: str, choices: list[dict[str, Any]], **more: Any) -> bytes:
    said = {
        "id": "chatcmpl-switchboard",
        "object": "chat.completion.chunk",
        "created": int(time.time()),
        "model": model,
        "choices": choices,
    }
    return f"data: {json.dumps(said | more, separators=(',', ':'))}\n\n".encode()


def _error(status: int, message: str, kind: str, headers: dict[str, str] | None = None) -> Response:
    return JSONResponse(
        {"error": {"message": message, "type": kind, "code": None}}, status_code=status, headers=headers
    )
