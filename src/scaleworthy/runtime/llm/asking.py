"""One model: its turn, its breaker, its answer, and what the call used, however it ended."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

from scaleworthy.runtime.breaker import Breaker, BreakerOpen
from scaleworthy.runtime.llm.answers import Completion
from scaleworthy.runtime.llm.budget import Budget, OverBudget, Turn
from scaleworthy.runtime.llm.connections import Connections
from scaleworthy.runtime.llm.model import Model, Usage
from scaleworthy.runtime.llm.prices import Prices
from scaleworthy.runtime.llm.statistics import ModelStatistics, Tally
from scaleworthy.runtime.llm.wire import CallFailed, Message, pieces
from scaleworthy.series.meter import Meter

# A provider that says 429 without saying for how long is left alone so long.
_REFUSED_S = 1.0
# English text has some four characters a token; it is an estimate until the provider has counted.
_CHARACTERS_PER_TOKEN = 4
_COMPLETION_TOKENS = 512


@dataclass(slots=True)
class Call:
    """What is asked, and until when.

    Attributes:
        is_shown: Whether text is passed on as it comes: then it cannot be taken back, and no other model can begin anew.
        was_asked: Whether any model has been.
        tried: Who was in vain, and why.
    """

    messages: Sequence[Message]
    options: Mapping[str, Any]
    began: float
    ends_at: float
    is_shown: bool
    was_asked: bool = False
    tried: list[str] = field(default_factory=list)


@dataclass(slots=True)
class _Said:
    """What has come of an answer."""

    texts: list[str] = field(default_factory=list)
    usage: Usage | None = None
    finish: str | None = None
    first_at: float | None = None

    def used(self, prompt: int) -> Usage:
        """Return what it used: as the provider counted, or as it looks. Most send a token a piece, none less than one."""
        if self.usage is not None:
            return self.usage
        characters = sum(map(len, self.texts))
        return Usage(prompt, max(len(self.texts), characters // _CHARACTERS_PER_TOKEN), estimated=True)


class Asking:
    """Asks one model.

    Args:
        model: Which.
        connections: To its provider.
        breaker: Its provider's.
        prices: What its calls cost.
        meter: Where they are recorded.
        now: s.
    """

    def __init__(
        self,
        model: Model,
        *,
        connections: Connections,
        breaker: Breaker,
        prices: Prices,
        meter: Meter,
        now: Callable[[], float],
    ) -> None:
        self._model = model
        self._connections = connections
        self._breaker = breaker
        self._prices = prices
        self._tally = Tally(model.name, meter)
        self._now = now
        self._budget = Budget(
            model.name,
            requests_per_minute=model.requests_per_minute,
            tokens_per_minute=model.tokens_per_minute,
            refill=model.refill,
            at_once=model.at_once,
            waiting_most=model.queue_most,
            now=now,
        )
        self._refuses: str | None = None

    @property
    def trouble(self) -> str | None:
        """Why it does not answer, where that is not its provider's breaker: it does not take our key, or asks to be left alone."""
        if self._refuses is not None:
            return self._refuses
        blocked_s = self._budget.blocked_s
        return f"{self._model.name}: left alone for {blocked_s:.3g} s, as it asked" if blocked_s > 0 else None

    def statistics(self) -> ModelStatistics:
        """Return its counts."""
        return self._tally.statistics(under_way=self._budget.under_way, waiting=self._budget.waiting)

    async def ask(self, call: Call, *, begin_s: float) -> AsyncGenerator[str | Completion]:
        """Yield its text as it comes, and last the `Completion`.

        Args:
            call: What is asked.
            begin_s: How long it may take until its first text, waiting for its turn included.

        Raises:
            CallFailed, OverBudget, BreakerOpen: It does not answer.
        """
        asked_at = self._now()
        try:
            if self._breaker.state == "open":
                # Refused before the turn is waited for: a provider that is down must not keep a queue.
                self._breaker.end(*self._breaker.admit(), asyncio.CancelledError())
            turn = await self._budget.take(_estimated(call), within_s=begin_s)
        except (OverBudget, BreakerOpen):
            self._tally.failed()
            raise
        turn_at = self._now()
        said = _Said()
        is_settled = False
        try:
            with self._breaker.call():
                begin_left_s = min(self._model.timeout_s, max(0.001, begin_s - (turn_at - asked_at)))
                within_s = max(0.001, call.ends_at - turn_at)
                asked = pieces(
                    self._connections,
                    self._model,
                    call.messages,
                    call.options,
                    begin_s=begin_left_s,
                    within_s=within_s,
                )
                async with aclosing(asked):
                    async for piece in asked:
                        if piece.usage is not None:
                            said.usage = piece.usage
                        if piece.finish is not None:
                            said.finish = piece.finish
                        if piece.text:
                            if said.first_at is None:
                                said.first_at = self._now()
                            said.texts.append(piece.text)
                            yield piece.text
            is_settled = True
        except (CallFailed, BreakerOpen) as error:
            is_settled = True
            self._failed(turn, error, said, call)
            raise
        finally:
            if not is_settled:
                self._spent(turn, said, call)
                self._tally.abandoned()
        self._refuses = None
        yield self._done(turn, said, call, waited_s=turn_at - call.began)

    def _done(self, turn: Turn, said: _Said, call: Call, *, waited_s: float) -> Completion:
        usage = said.used(_tokens_of(call.messages))
        turn.settle(usage.total)
        cost = self._prices.of(self._model.called or self._model.name, usage)
        took_s = self._now() - call.began
        first_s = took_s if said.first_at is None else said.first_at - call.began
        self._tally.answered(usage, cost, first_s=first_s, took_s=took_s)
        return Completion(
            "".join(said.texts),
            self._model.name,
            usage,
            cost,
            False,
            waited_s,
            first_s,
            took_s,
            said.finish,
            tuple(call.tried),
        )

    def _failed(self, turn: Turn, error: CallFailed | BreakerOpen, said: _Said, call: Call) -> None:
        self._tally.failed()
        status = error.status if isinstance(error, CallFailed) else None
        if status == 429:
            self._budget.block(error.retry_after_s or _REFUSED_S)
        if status in (401, 402, 403):
            self._refuses = error.message
        if isinstance(error, BreakerOpen) or (status is not None and status < 500):
            turn.give_back()
        else:
            self._spent(turn, said, call)

    def _spent(self, turn: Turn, said: _Said, call: Call) -> None:
        """Count what was used until it broke off. What it would have become is left taken: the provider may count it so."""
        turn.settle(turn.tokens)
        if said.texts or said.usage is not None:
            usage = said.used(_tokens_of(call.messages))
            self._tally.broken(usage, self._prices.of(self._model.called or self._model.name, usage))


def _tokens_of(messages: Sequence[Message]) -> int:
    return sum(len(str(one.get("content", ""))) for one in messages) // _CHARACTERS_PER_TOKEN + 4 * len(messages)


def _estimated(call: Call) -> float:
    most = call.options.get("max_completion_tokens") or call.options.get("max_tokens") or _COMPLETION_TOKENS
    return float(_tokens_of(call.messages) + most)
