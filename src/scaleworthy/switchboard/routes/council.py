"""The council: several models answer a question, and one makes an answer of theirs.

As JSON, or as server-sent events where `stream` or Accept asks for them: an `opinion` event for each member, then the chair's answer in
OpenAI's chunks, as it is written, and last a `council` event with what the JSON answer would have said.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Annotated, Any, Self

import orjson
from fastapi import APIRouter, Request
from fastapi.responses import StreamingResponse
from pydantic import AliasChoices, BaseModel, ConfigDict, Field, StringConstraints, model_validator

from scaleworthy.errors import ScaleworthyError
from scaleworthy.runtime import tenant
from scaleworthy.runtime.llm import Council, Gateway, NoModel, Opinion, TooFewOpinions, convene
from scaleworthy.switchboard.conversing import Turn, full, keeping, said_before
from scaleworthy.switchboard.refusal import Refusal
from scaleworthy.switchboard.request import AnyCaller, Caller

router = APIRouter(tags=["council"])

_DEADLINE, _PATIENCE = "20s", "10s"
_EVENT_STREAM = "text/event-stream"

_Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=20_000)]


class Question(BaseModel):
    """What is asked; with `conversation_id`, after what was said there."""

    model_config = ConfigDict(extra="forbid")

    question: _Text = Field(validation_alias=AliasChoices("question", "prompt", "text"))
    conversation_id: Annotated[int, Field(ge=1, le=2**63 - 1)] | None = None
    stream: bool = False
    members: Annotated[list[str], Field(min_length=1, max_length=8)] | None = None
    max_tokens: Annotated[int, Field(ge=1, le=4_096)] = 256
    temperature: Annotated[float, Field(ge=0, le=2)] = 0.7

    @model_validator(mode="after")
    def _members_are_told_apart(self) -> Self:
        if self.members is not None and len(set(self.members)) != len(self.members):
            raise ValueError("a member is named twice")
        return self


@router.post("/v1/council", response_model=None)
async def ask_council(caller: AnyCaller, request: Request, asked: Question) -> Any:
    """Ask the council; answer with its opinions, what was made of them, and what it used and cost."""
    gateway, members = _council_of(caller, asked)
    before = [] if asked.conversation_id is None else await said_before(caller, asked.conversation_id)
    # Kept answers are the tenant's own, in all that this request does.
    tenant.current.set(str(caller.tenant.id))
    messages = [*before, {"role": "user", "content": asked.question}]
    said = convene(
        gateway,
        messages,
        members=members,
        chair=caller.service.models.chair,
        quorum=min(2, len(members)),
        deadline=_DEADLINE,
        patience=_PATIENCE,
        side_by_side=caller.service.shape.council == "side by side",
        max_tokens=asked.max_tokens,
        temperature=asked.temperature,
    )
    if asked.stream or _EVENT_STREAM in request.headers.get("accept", ""):
        return StreamingResponse(_events(caller, asked, said), media_type=_EVENT_STREAM)
    async with aclosing(said):
        try:
            async for piece in said:
                if isinstance(piece, Council):
                    return caller.service.answer(await _kept(caller, asked, piece))
        except ScaleworthyError as error:
            raise _unanswered(error) from error
    raise AssertionError("a council ends with its answer or an error")


def _council_of(caller: Caller, asked: Question) -> tuple[Gateway, Sequence[str]]:
    """Return whom to ask, where this tenant may now."""
    models = caller.service.models
    if models.gateway is None:
        raise Refusal(503, "no_models", "no model endpoint is configured: start with --llm")
    members = asked.members or models.members
    unknown = sorted(set(members) - {models.chair, *models.members})
    if unknown:
        problem = {"path": "body.members", "message": f"there is no model {', '.join(unknown)}"}
        raise Refusal(422, "invalid", f"{problem['path']}: {problem['message']}", problems=[problem])
    verdict = models.limit.check(str(caller.tenant.id))
    if not verdict.allowed:
        message = f"this tenant may ask {models.limit.quota.burst} councils a minute"
        raise Refusal(429, "too_many_requests", message, headers=verdict.headers("council"))
    return models.gateway, members


async def _events(
    caller: Caller, asked: Question, said: AsyncGenerator[Opinion | str | Council]
) -> AsyncGenerator[bytes]:
    # Whoever stops reading closes this, and with it every model's stream.
    async with aclosing(said):
        try:
            async for piece in said:
                if isinstance(piece, Opinion):
                    yield _event({"opinion": _opinion(piece)}, name="opinion")
                elif isinstance(piece, str):
                    yield _chunk([{"index": 0, "delta": {"content": piece}, "finish_reason": None}])
                else:
                    # Kept before it is said to be over: who has the end can look it up.
                    content = await _kept(caller, asked, piece)
                    usage = {
                        "prompt_tokens": piece.answer.usage.prompt,
                        "completion_tokens": piece.answer.usage.completion,
                        "total_tokens": piece.answer.usage.total,
                    }
                    yield _chunk([{"index": 0, "delta": {}, "finish_reason": piece.answer.finish or "stop"}])
                    yield _chunk([], usage=usage)
                    yield _event({"council": content}, name="council")
                    yield b"data: [DONE]\n\n"
        except (ScaleworthyError, Refusal) as error:
            refusal = error if isinstance(error, Refusal) else _unanswered(error)
            yield _event({"error": {"type": refusal.error, "message": refusal.message}}, name="error")


async def _kept(caller: Caller, asked: Question, council: Council) -> dict[str, Any]:
    """Keep what was asked and answered, and return the answer."""
    opinions = [Turn.of("member", one.answer) for one in council.opinions if one.answer is not None]
    turns = [Turn("user", asked.question), *opinions, Turn.of("assistant", council.answer)]
    [kept] = await caller.run(keeping(caller, "council", turns, conversation_id=asked.conversation_id))
    if not kept:
        raise full(asked.conversation_id)
    return {
        "tenant_id": caller.tenant.id,
        "conversation_id": kept[0]["id"],
        "answer": council.answer.text,
        "model": council.answer.model,
        "degraded": council.degraded,
        "opinions": [_opinion(one) for one in council.opinions],
        "tokens": council.tokens,
        "cost_usd": round(council.cost_usd, 9),
    }


def _opinion(one: Opinion) -> dict[str, Any]:
    answer = one.answer
    shown = {"member": one.member, "answer": None if answer is None else answer.text, "reason": one.reason}
    return shown | {
        "tokens": 0 if answer is None else answer.usage.total,
        "cost_usd": None if answer is None else answer.cost_usd,
        "cached": answer is not None and answer.cached,
    }


def _unanswered(error: ScaleworthyError) -> Refusal:
    if isinstance(error, TooFewOpinions | NoModel):
        return Refusal(503, "models_unavailable", error.message)
    return Refusal(502, "model_failed", error.message)


def _chunk(choices: list[dict[str, Any]], **more: Any) -> bytes:
    return _event({"object": "chat.completion.chunk", "choices": choices, **more})


def _event(content: dict[str, Any], *, name: str | None = None) -> bytes:
    line = b"" if name is None else f"event: {name}\n".encode()
    return line + b"data: " + orjson.dumps(content) + b"\n\n"
