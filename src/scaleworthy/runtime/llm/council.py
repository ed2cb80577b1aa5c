"""A council: several models answer the same question side by side, and one makes an answer of theirs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from scaleworthy.errors import ScaleworthyError, UsageError
from scaleworthy.runtime.llm.answers import Completion
from scaleworthy.runtime.llm.gateway import Gateway
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
    """The chair's answer, the opinions it was made from, and what all of it cost as far as prices are known.

    Attributes:
        degraded: Why the answer is a member's and not the chair's; None: it is the chair's.
    """

    answer: Completion
    opinions: tuple[Opinion, ...]
    degraded: str | None = None

    @property
    def asked(self) -> tuple[Completion, ...]:
        """Every answer that was given, the chair's last."""
        given = tuple(opinion.answer for opinion in self.opinions if opinion.answer is not None)
        return given if self.degraded is not None else (*given, self.answer)

    @property
    def cost_usd(self) -> float:
        """Dollars, as far as prices are known."""
        return sum(answer.cost_usd or 0.0 for answer in self.asked)

    @property
    def tokens(self) -> int:
        """All that were used."""
        return sum(answer.usage.total for answer in self.asked)


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
    side_by_side: bool = True,
    **options: Any,
) -> AsyncGenerator[Opinion | str | Council]:
    """Yield each member's opinion as it comes, then the chair's answer as it is written, and last the whole.

    A chair that cannot answer is replaced by the first opinion, and `Council.degraded` says why.

    Args:
        gateway: Through which all are asked, by its limits.
        messages: The question.
        members: Models that answer.
        chair: The model that makes one answer of theirs.
        quorum: How many must have answered.
        deadline: For the chair's answer.
        patience: For each member's; who takes longer is left out.
        side_by_side: Whether all members are asked at once, or one after the other.
        options: Passed on to all.

    Raises:
        TooFewOpinions: Fewer than *quorum* answered; the text says why.
        CallFailed: The chair's answer broke off.
    """
    if not 1 <= quorum <= len(members):
        raise UsageError(f"a quorum is from 1 to the {len(members)} members, got {quorum}")

    async def ask(member: str) -> Opinion:
        try:
            return Opinion(member, await gateway.complete(messages, model=member, deadline=patience, **options), None)
        except ScaleworthyError as error:
            return Opinion(member, None, error.message)

    opinions: list[Opinion] = []
    if side_by_side:
        asked = [asyncio.ensure_future(ask(member)) for member in members]
        try:
            for next_one in asyncio.as_completed(asked):
                opinions.append(await next_one)
                yield opinions[-1]
        finally:
            # Who stops reading leaves nobody behind who goes on asking.
            for task in asked:
                task.cancel()
            await asyncio.gather(*asked, return_exceptions=True)
    else:
        for member in members:
            opinions.append(await ask(member))
            yield opinions[-1]
    # In the order of the members, whoever was quickest: the same opinions are the same question to the chair.
    opinions.sort(key=lambda opinion: list(members).index(opinion.member))
    async with aclosing(_chaired(gateway, messages, opinions, chair, quorum, deadline, options)) as said:
        async for piece in said:
            yield piece


async def _chaired(
    gateway: Gateway,
    messages: Sequence[Message],
    opinions: Sequence[Opinion],
    chair: str,
    quorum: int,
    deadline: str,
    options: dict[str, Any],
) -> AsyncGenerator[str | Council]:
    answers = [opinion.answer for opinion in opinions if opinion.answer is not None]
    if len(answers) < quorum:
        reasons = "; ".join(f"{opinion.member}: {opinion.reason}" for opinion in opinions if opinion.answer is None)
        raise TooFewOpinions(f"{len(answers)} of {len(opinions)} members answered, {quorum} are needed: {reasons}")
    brief = "\n\n".join(f"Adviser {number}:\n{one.text}" for number, one in enumerate(answers, 1))
    question = [{"role": "system", "content": _CHAIR}, *messages, {"role": "user", "content": brief}]
    is_said = False
    try:
        async with aclosing(gateway.stream(question, model=chair, deadline=deadline, **options)) as said:
            async for piece in said:
                is_said = True
                yield Council(piece, tuple(opinions)) if isinstance(piece, Completion) else piece
    except ScaleworthyError as error:
        if is_said:
            raise
        yield answers[0].text
        yield Council(answers[0], tuple(opinions), degraded=error.message)
