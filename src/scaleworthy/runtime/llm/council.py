"""A council: several models answer the same question side by side, and one makes an answer of theirs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any

from scaleworthy.errors import ScaleworthyError, UsageError
from scaleworthy.runtime.llm.gateway import Completion, Gateway
from scaleworthy.runtime.llm.wire import Message

_CHAIR = (
    "Several advisers have answered the question below independently. Weigh their answers, correct what is wrong, and give one answer of"
    " your own. Do not mention the advisers."
)


@dataclass(frozen=True, slots=True)
class Opinion:
    """A member's answer, or (None) why there is none."""

    member: str
    answer: Completion | None
    reason: str | None


@dataclass(frozen=True, slots=True)
class Council:
    """The chair's answer, the opinions it was made from, and what all of it cost as far as prices are known."""

    answer: Completion
    opinions: tuple[Opinion, ...]

    @property
    def cost_usd(self) -> float:
        """Dollars."""
        asked = [self.answer, *(opinion.answer for opinion in self.opinions if opinion.answer is not None)]
        return sum(answer.cost_usd or 0.0 for answer in asked)


class TooFewOpinions(ScaleworthyError):
    """Fewer members answered than are needed."""


async def convene(
    gateway: Gateway,
    messages: Sequence[Message],
    *,
    members: Sequence[str],
    chair: str,
    quorum: int = 2,
    deadline: str = "60s",
    patience: str = "30s",
    **options: Any,
) -> AsyncIterator[Opinion | str | Council]:
    """Yield each member's opinion as it comes, then the chair's answer as it is written, and last the whole.

    Args:
        gateway: Through which all are asked, by its limits.
        messages: The question.
        members: Models that answer side by side.
        chair: The model that makes one answer of theirs.
        quorum: How many must have answered.
        deadline: For the chair's answer.
        patience: For the members'; who takes longer is left out.
        options: Passed on to all.

    Raises:
        TooFewOpinions: Fewer than *quorum* answered; the text says why.
        NoModel, CallFailed: The chair could not answer.
    """
    if not 1 <= quorum <= len(members):
        raise UsageError(f"a quorum is from 1 to the {len(members)} members, got {quorum}")

    async def ask(member: str) -> Opinion:
        try:
            return Opinion(member, await gateway.complete(messages, model=member, deadline=patience, **options), None)
        except ScaleworthyError as error:
            return Opinion(member, None, error.message)

    asked = [asyncio.ensure_future(ask(member)) for member in members]
    opinions: list[Opinion] = []
    try:
        for next_one in asyncio.as_completed(asked):
            opinion = await next_one
            opinions.append(opinion)
            yield opinion
    finally:
        for task in asked:
            task.cancel()
    answers = [opinion for opinion in opinions if opinion.answer is not None]
    if len(answers) < quorum:
        reasons = "; ".join(f"{opinion.member}: {opinion.reason}" for opinion in opinions if opinion.answer is None)
        raise TooFewOpinions(f"{len(answers)} of {len(members)} members answered, {quorum} are needed: {reasons}")
    brief = "\n\n".join(f"Adviser {number}:\n{one.answer.text}" for number, one in enumerate(answers, 1) if one.answer)
    question = [{"role": "system", "content": _CHAIR}, *messages, {"role": "user", "content": brief}]
    async for piece in gateway.stream(question, model=chair, deadline=deadline, **options):
        if isinstance(piece, Completion):
            yield Council(piece, tuple(opinions))
        else:
            yield piece
