"""The gateway: one place through which an application asks language models.

    gateway = Gateway([
        Model("gpt-4o", openai, tokens_per_minute=200_000, fallbacks=("claude-sonnet-5-5",)),
        Model("claude-sonnet-5-5", anthropic),
    ])
    answer = await gateway.complete([{"role": "user", "content": "…"}], model="gpt-4o", deadline="20s")
    answer.text, answer.model, answer.cost_usd

A call waits for its turn within its deadline, is refused early where that cannot come in time, goes to the next model where one refuses,
fails or is too slow, and is answered from the cache where the same was asked before with temperature 0.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from functools import lru_cache
from typing import Any, Self

from scaleworthy.errors import InvalidInput, UsageError
from scaleworthy.runtime.breaker import Breaker, BreakerOpen
from scaleworthy.runtime.cache import Cache
from scaleworthy.runtime.llm.answers import Answers, Completion, question
from scaleworthy.runtime.llm.asking import Asking, Call
from scaleworthy.runtime.llm.budget import OverBudget
from scaleworthy.runtime.llm.connections import Connections
from scaleworthy.runtime.llm.model import Model
from scaleworthy.runtime.llm.prices import Prices
from scaleworthy.runtime.llm.statistics import GatewayStatistics
from scaleworthy.runtime.llm.wire import CallFailed, Message
from scaleworthy.series.meter import Meter
from scaleworthy.units import parse_duration_ns


class NoModel(UsageError):
    """No model could answer; the text says of each why. *retry_after_s*: the soonest any says it may, None: none says."""

    def __init__(self, tried: Sequence[str], retry_after_s: float | None) -> None:
        self.retry_after_s = retry_after_s
        said = "; ".join(tried) or "the deadline passed before one was asked"
        super().__init__(f"no model could answer in time: {said}", hint="a longer deadline, or another fallback?")


class Gateway:
    """Asks models. `close` at the end, or `async with`.

    Args:
        models: All there are; fallbacks name others of them.
        prices: What calls cost; None: the list that came with this package.
        cache: Where answers to the same question with temperature 0 are kept; None: 1,000 of them in memory, for 5 minutes.
        cache_kind: The cache's class of data for answers.
        breaker: Makes the breaker of a provider, by its name and what counts as its fault; None: `Breaker`'s defaults.
        meter: Where calls, tokens, cost and times are recorded; None: nowhere.
        now: For tests, s.

    Raises:
        InvalidInput: With every fallback that is no model, and every name that is given twice.
        MissingExtra: httptools is not installed.
    """

    def __init__(
        self,
        models: Sequence[Model],
        *,
        prices: Prices | None = None,
        cache: Cache | None = None,
        cache_kind: str = "default",
        breaker: Callable[[str, Callable[[BaseException], bool]], Breaker] | None = None,
        meter: Meter | None = None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._models = {model.name: model for model in models}
        _check(models)
        self._now = now
        self._answers = Answers(cache, cache_kind)
        providers = {model.provider.name: model.provider for model in models}
        self._connections = {name: Connections(provider) for name, provider in providers.items()}
        # One breaker for each provider: what is down is the provider, not a model.
        make = breaker or (lambda name, counts: Breaker(name, counts=counts, now=now))
        breakers = {name: make(name, is_the_providers_fault) for name in providers}
        self._asking = {
            model.name: Asking(
                model,
                connections=self._connections[model.provider.name],
                breaker=breakers[model.provider.name],
                prices=prices or Prices.read(),
                meter=meter or Meter(),
                now=now,
            )
            for model in models
        }
        self._breakers = breakers

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections."""
        for connections in self._connections.values():
            connections.close()
        await self._answers.close()

    async def complete(
        self, messages: Sequence[Message], *, model: str, deadline: str = "60s", **options: Any
    ) -> Completion:
        """Return the answer of *model*, or of the first of its fallbacks that answers whole.

        Args:
            messages: As OpenAI takes them.
            model: Which is asked first.
            deadline: For all of it: waiting, fallbacks, the answer.
            options: Passed on: `temperature`, `max_tokens`, …

        Raises:
            NoModel: None could, each for its reason.
            CallFailed: The request itself is wrong.
        """
        call = self._call(messages, options, deadline, is_shown=False)
        if options.get("temperature") != 0:
            return await self._complete(model, call)
        key = question(messages, model, options)
        try:
            async with asyncio.timeout(max(0.0, call.ends_at - self._now())):
                return await self._answers.get(key, lambda: self._complete(model, call))
        except TimeoutError as error:
            raise NoModel([f"{model}: the deadline passed"], None) from error
        except NoModel:
            # Who waited for another's call has failed by that one's deadline, not by its own.
            if self._now() >= call.ends_at or call.was_asked:
                raise
            return await self._complete(model, call)

    async def stream(
        self, messages: Sequence[Message], *, model: str, deadline: str = "60s", **options: Any
    ) -> AsyncGenerator[str | Completion]:
        """Yield the answer's text as it comes, and last the `Completion`.

        Before the first text another model may take over; after it a break is an error. Who stops reading closes it (`aclosing`): the
        provider's stream ends at once, and what it had sent is counted.

        Raises: As `complete`.
        """
        call = self._call(messages, options, deadline, is_shown=True)
        key = question(messages, model, options) if options.get("temperature") == 0 else None
        kept = None if key is None else await self._answers.look(key)
        if kept is not None:
            yield kept.text
            yield kept
            return
        async with aclosing(self._asked(model, call)) as asked:
            async for piece in asked:
                if key is not None and isinstance(piece, Completion):
                    await self._answers.keep(key, piece)
                yield piece

    def statistics(self) -> GatewayStatistics:
        """Return the counts of each model."""
        return GatewayStatistics(
            {name: asking.statistics() for name, asking in self._asking.items()}, self._answers.found
        )

    def trouble(self) -> str | None:
        """Return which providers are left alone and which models refuse, and why; None: none does."""
        reasons = [breaker.trouble() for breaker in self._breakers.values()]
        reasons += [asking.trouble for asking in self._asking.values()]
        return "; ".join(dict.fromkeys(reason for reason in reasons if reason)) or None

    def _call(self, messages: Sequence[Message], options: Mapping[str, Any], deadline: str, *, is_shown: bool) -> Call:
        began = self._now()
        return Call(messages, options, began, began + _seconds(deadline), is_shown=is_shown)

    async def _complete(self, model: str, call: Call) -> Completion:
        async with aclosing(self._asked(model, call)) as asked:
            async for piece in asked:
                if isinstance(piece, Completion):
                    return piece
        raise NoModel(call.tried, None)

    async def _asked(self, first: str, call: Call) -> AsyncGenerator[str | Completion]:
        call.was_asked = True
        waits: list[float] = []
        order = self._order(first)
        for place, name in enumerate(order):
            left_s = call.ends_at - self._now()
            if left_s <= 0:
                break
            is_said = False
            try:
                # Half of what is left is for those after it.
                begin_s = left_s if place == len(order) - 1 else left_s / 2
                async with aclosing(self._asking[name].ask(call, begin_s=begin_s)) as asked:
                    async for piece in asked:
                        is_said = call.is_shown
                        yield piece
                return
            except (CallFailed, OverBudget, BreakerOpen) as error:
                if is_said or (isinstance(error, CallFailed) and not error.is_worth_another):
                    raise
                call.tried.append(error.message)
                if error.retry_after_s is not None:
                    waits.append(error.retry_after_s)
        raise NoModel(call.tried, min(waits, default=None))

    def _order(self, first: str) -> list[str]:
        """Return *first* and what is fallen back to, each once."""
        if first not in self._models:
            raise UsageError(f"there is no model {first!r}; there are {', '.join(sorted(self._models))}")
        order = [first]
        for name in order:
            order += [other for other in self._models[name].fallbacks if other not in order]
        return order


def is_the_providers_fault(error: BaseException) -> bool:
    """A refusal for now (429) or of the request says that the provider works."""
    return isinstance(error, CallFailed) and (error.status is None or error.status >= 500)


@lru_cache(maxsize=64)
def _seconds(deadline: str) -> float:
    return parse_duration_ns(deadline) / 1e9


def _check(models: Sequence[Model]) -> None:
    names = [model.name for model in models]
    problems = [
        f"{model.name}: there is no model {name!r} to fall back to"
        for model in models
        for name in model.fallbacks
        if name not in names
    ]
    problems += [f"{name}: the name is given twice" for name in sorted({one for one in names if names.count(one) > 1})]
    providers = {model.provider for model in models}
    told_apart = {provider.name for provider in providers}
    problems += ["two providers have one name"] * (len(providers) != len(told_apart))
    problems += ["models: at least one is wanted"] * (not models)
    if problems:
        raise InvalidInput("this gateway cannot be", problems)
