"""Keep what was asked and answered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from scaleworthy.runtime.llm import Completion
from scaleworthy.switchboard.database import Statement
from scaleworthy.switchboard.queries import conversations as sql
from scaleworthy.switchboard.refusal import Refusal, not_found
from scaleworthy.switchboard.request import Caller

_TITLE_CHARACTERS = 80


@dataclass(frozen=True, slots=True)
class Turn:
    """What one side said; a model's has its name, tokens and cost."""

    speaker: Literal["user", "member", "assistant"]
    said: str
    model: str | None = None
    tokens: int = 0
    cost_usd: float | None = None

    @classmethod
    def of(cls, speaker: Literal["member", "assistant"], answer: Completion) -> Turn:
        """Return a model's answer as a turn; one that was kept from before used nothing."""
        tokens = 0 if answer.cached else answer.usage.total
        return cls(speaker, answer.text, answer.model, tokens, answer.cost_usd)


def keeping(
    caller: Caller,
    channel: Literal["council", "voice"],
    turns: Sequence[Turn],
    *,
    conversation_id: int | None,
    lead_id: int | None = None,
) -> Statement:
    """Return the statement that keeps *turns*; its row is the conversation, and it has none where that cannot be gone on with."""
    # PostgreSQL's text has no place for NUL, which a model may well say.
    texts = [turn.said.replace("\0", "\N{REPLACEMENT CHARACTER}") for turn in turns]
    values = {
        "tenant_id": caller.tenant.id,
        "id": conversation_id,
        "channel": channel,
        "lead_id": lead_id,
        "title": texts[0][:_TITLE_CHARACTERS],
        "now": caller.service.now(),
        "count": len(turns),
        "speakers": [turn.speaker for turn in turns],
        "said": texts,
        "models": [turn.model for turn in turns],
        "tokens": [turn.tokens for turn in turns],
        "costs": [turn.cost_usd for turn in turns],
    }
    return Statement(sql.KEEP, values)


async def said_before(caller: Caller, conversation_id: int) -> list[dict[str, str]]:
    """Return the last turns of a conversation as a model takes them.

    Raises:
        Refusal: There is no such conversation.
    """
    values = {"id": conversation_id}
    seen, turns = await caller.run(Statement(sql.ONE, values), Statement(sql.BEFORE, values))
    if not seen:
        raise not_found("conversation", conversation_id)
    return [{"role": turn["speaker"], "content": turn["said"]} for turn in reversed(turns)]


def full(conversation_id: int | None) -> Refusal:
    """Return the answer where nothing could be kept."""
    return Refusal(409, "conversation_full", f"conversation {conversation_id} has {sql.TURNS_MAX} turns: begin another")
