"""A language model's endpoint that is none: it speaks OpenAI's chat completions, keeps limits, stalls and fails when told to.

What it says is made from the question by a seeded generator, so that the same question has the same answer and counts of tokens are known.
It is what the LLM gateway is tested against; it is not clever.
"""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import json
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from scaleworthy.runtime.limit import Limit

_WORDS = [
    "the",
    "call",
    "was",
    "short",
    "and",
    "the",
    "customer",
    "asked",
    "about",
    "the",
    "price",
    "of",
    "the",
    "larger",
    "plan",
    "so",
    "we",
    "should",
    "call",
    "back",
    "on",
    "monday",
    "with",
    "an",
    "offer",
    "that",
    "holds",
    "until",
    "the",
    "end",
    "of",
    "the",
    "month",
    "and",
    "mention",
    "the",
    "new",
    "integration",
    "because",
    "it",
    "was",
    "what",
    "they",
    "missed",
]


@dataclass(frozen=True, slots=True)
class LlmSettings:
    """How the endpoint behaves.

    Args:
        first_s: Until the first token.
        tokens_per_s: From then on.
        tokens: Of an answer, unless the request's max_tokens is lower.
        requests_per_minute, tokens_per_minute: Of each model; beyond them 429 with Retry-After. None: without limit.
        failed: Share of requests that are answered 500.
        broken: Share of answers that break off half-way.
        stalled: Share of requests that are never answered.
        seed: Of these.
        models: Names it answers to; an empty tuple: to any.
    """

    first_s: float = 0.05
    tokens_per_s: float = 200.0
    tokens: int = 40
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    failed: float = 0.0
    broken: float = 0.0
    stalled: float = 0.0
    seed: int = 1
    models: tuple[str, ...] = ()


@dataclass
class Llm:
    """The endpoint's state: limits by model, and counts of what it was asked."""

    settings: LlmSettings
    now_ns: Callable[[], int] | None = None
    asked: int = 0
    at_once_most: int = 0
    refused: int = 0
    _at_once: int = 0
    _limits: dict[tuple[str, str], Limit] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._rng = Random(self.settings.seed)

    async def complete(self, request: Request) -> Response:
        """Answer `POST /v1/chat/completions`."""
        try:
            said = await request.json()
            model, messages = said["model"], [str(message["content"]) for message in said["messages"]]
        except (ValueError, KeyError, TypeError):
            return _error(400, "a model and messages with contents are wanted", "invalid_request_error")
        settings = self.settings
        if settings.models and model not in settings.models:
            return _error(404, f"there is no model {model!r}", "invalid_request_error")
        self.asked += 1
        prompt = sum(len(text) for text in messages) // 4 + 4 * len(messages)
        wanted = min(
            int(said.get("max_completion_tokens") or said.get("max_tokens") or settings.tokens), settings.tokens
        )
        refusal = self._over_limits(model, prompt + wanted)
        if refusal is not None:
            self.refused += 1
            return refusal
        chance = self._rng.random()
        if chance < settings.failed:
            return _error(500, "something went wrong", "server_error")
        if chance < settings.failed + settings.stalled:
            await asyncio.Event().wait()
        is_broken = chance < settings.failed + settings.stalled + settings.broken
        words = answer_to(messages, wanted)
        if not said.get("stream"):
            await self._pause(settings.first_s + wanted / settings.tokens_per_s)
            return JSONResponse(_whole(model, words, prompt))
        return StreamingResponse(
            self._events(
                model,
                words,
                prompt,
                broken=is_broken,
                counted=bool(said.get("stream_options", {}).get("include_usage")),
            ),
            media_type="text/event-stream",
        )

    async def counts(self, _request: Request) -> Response:
        """Answer `GET /counts`: what it was asked, for tests."""
        return JSONResponse({"asked": self.asked, "refused": self.refused, "at_once_most": self.at_once_most})

    async def _events(
        self, model: str, words: list[str], prompt: int, *, broken: bool, counted: bool
    ) -> AsyncIterator[str]:
        self._at_once += 1
        self.at_once_most = max(self.at_once_most, self._at_once)
        try:
            await self._pause(self.settings.first_s)
            for number, word in enumerate(words):
                if broken and number == len(words) // 2:
                    return
                if number:
                    await self._pause(1 / self.settings.tokens_per_s)
                yield _event(
                    model,
                    [{"index": 0, "delta": {"content": word if number == 0 else f" {word}"}, "finish_reason": None}],
                )
            yield _event(model, [{"index": 0, "delta": {}, "finish_reason": "stop"}])
            if counted:
                yield _event(
                    model,
                    [],
                    usage={
                        "prompt_tokens": prompt,
                        "completion_tokens": len(words),
                        "total_tokens": prompt + len(words),
                    },
                )
            yield "data: [DONE]\n\n"
        finally:
            self._at_once -= 1

    async def _pause(self, for_s: float) -> None:
        if for_s > 0:
            await asyncio.sleep(for_s)

    def _over_limits(self, model: str, tokens: int) -> Response | None:
        limits = (
            ("requests", self.settings.requests_per_minute, 1),
            ("tokens", self.settings.tokens_per_minute, tokens),
        )
        for what, per_minute, cost in limits:
            if per_minute is None:
                continue
            limit = self._limits.setdefault(
                (model, what), Limit(f"{per_minute}/m", burst=per_minute, now_ns=self.now_ns)
            )
            verdict = limit.check(model, cost)
            if not verdict.allowed:
                wait_s = verdict.retry_after_s if verdict.retry_after_s is not None else 60.0
                headers = {"retry-after": f"{max(0.001, wait_s):.3f}"}
                return _error(
                    429, f"the limit of {per_minute:,} {what} a minute is reached", "rate_limit_error", headers
                )
        return None


def create_app(settings: LlmSettings | None = None) -> Starlette:
    """Return the endpoint as an ASGI application; its state is `app.state.llm`."""
    llm = Llm(settings or LlmSettings())
    app = Starlette(
        routes=[
            Route("/v1/chat/completions", llm.complete, methods=["POST"]),
            Route("/counts", llm.counts, methods=["GET"]),
        ]
    )
    app.state.llm = llm
    return app


def answer_to(messages: list[str], tokens: int) -> list[str]:
    """Return the words that *messages* are answered with: the same for the same question."""
    seed = int.from_bytes(hashlib.blake2b("\n".join(messages).encode(), digest_size=8).digest())
    first = seed % len(_WORDS)
    return list(itertools.islice(itertools.cycle(_WORDS), first, first + tokens))


def _whole(model: str, words: list[str], prompt: int) -> dict[str, Any]:
    choice = {"index": 0, "message": {"role": "assistant", "content": " ".join(words)}, "finish_reason": "stop"}
    usage = {"prompt_tokens": prompt, "completion_tokens": len(words), "total_tokens": prompt + len(words)}
    return {
        "id": "chatcmpl-switchboard",
        "object": "chat.completion",
        "created": int(time.time()),
        "model": model,
        "choices": [choice],
        "usage": usage,
    }


def _event(model: str, choices: list[dict[str, Any]], **more: Any) -> str:
    said = {
        "id": "chatcmpl-switchboard",
        "object": "chat.completion.chunk",
        "created": int(time.time()),
        "model": model,
        "choices": choices,
    }
    return f"data: {json.dumps(said | more, separators=(',', ':'))}\n\n"


def _error(status: int, message: str, kind: str, headers: dict[str, str] | None = None) -> Response:
    return JSONResponse(
        {"error": {"message": message, "type": kind, "code": None}}, status_code=status, headers=headers
    )
