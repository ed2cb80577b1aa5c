"""The gateway: one place through which an application asks language models.

    gateway = Gateway([Model("gpt-4o", openai, tokens_per_minute=200_000, fallbacks=("claude-sonnet-4",)), Model("claude-sonnet-4", other)])
    answer = await gateway.complete([{"role": "user", "content": "…"}], model="gpt-4o", deadline="20s")
    answer.text, answer.model, answer.cost_usd

A call waits for its turn within its deadline, is refused early where that cannot come in time, goes to the next model where one refuses,
fails or is too slow, and is answered from the cache where the same was asked before with temperature 0.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from scaleworthy.errors import InvalidInput, UsageError
from scaleworthy.runtime.breaker import Breaker, BreakerOpen
from scaleworthy.runtime.cache import Cache
from scaleworthy.runtime.llm.budget import Budget, OverBudget
from scaleworthy.runtime.llm.model import Model, Prices, Usage
from scaleworthy.runtime.llm.statistics import GatewayStatistics, Tally
from scaleworthy.runtime.llm.wire import CallFailed, Message, client, pieces
from scaleworthy.units import parse_duration_ns

# A provider that says 429 without saying for how long is left alone so long.
_REFUSED_S = 1.0
# English text has some four characters a token; it is an estimate until the provider has counted.
_CHARACTERS_PER_TOKEN = 4
_COMPLETION_TOKENS = 512


@dataclass(frozen=True, slots=True)
class Completion:
    """An answer. `tried` are the models that were asked before it in vain, each with why; *cost_usd* None: its price is not known."""

    text: str
    model: str
    usage: Usage
    cost_usd: float | None
    cached: bool
    waited_s: float
    took_s: float
    tried: tuple[str, ...] = ()


class NoModel(UsageError):
    """No model could answer; the text says of each why."""


class Gateway:
    """Asks models. `close` at the end, or `async with`.

    Args:
        models: All there are; fallbacks name others of them.
        prices: What calls cost; None: the list that came with this package.
        cache: Where answers to the same question with temperature 0 are kept; None: nowhere.
        cache_kind: The cache's class of data for answers.
        now: For tests, s.

    Raises:
        InvalidInput: With every fallback that is no model, and every name that is given twice.
    """

    def __init__(
        self,
        models: Sequence[Model],
        *,
        prices: Prices | None = None,
        cache: Cache | None = None,
        cache_kind: str = "default",
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._models = {model.name: model for model in models}
        problems = [
            f"{model.name}: there is no model {name!r} to fall back to"
            for model in models
            for name in model.fallbacks
            if name not in self._models
        ]
        problems += ["a name is given twice"] * (len(self._models) != len(models))
        if problems:
            raise InvalidInput("this gateway cannot be", problems)
        self._prices = prices or Prices.read()
        self._cache = cache
        self._cache_kind = cache_kind
        self._now = now
        self._http = client()
        self._budgets = {
            model.name: Budget(
                model.name,
                requests_per_minute=model.requests_per_minute,
                tokens_per_minute=model.tokens_per_minute,
                now=now,
            )
            for model in models
        }
        # One for each provider: what is down is the provider, not a model.
        self._breakers = {
            model.provider.name: Breaker(model.provider.name, counts=_is_the_providers_fault, now=now)
            for model in models
        }
        self._tallies = {model.name: Tally() for model in models}
        self._cached = 0

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def complete(
        self, messages: Sequence[Message], *, model: str, deadline: str = "60s", **options: Any
    ) -> Completion:
        """Return the answer of *model*, or of the first of its fallbacks that answers.

        Args:
            messages: As OpenAI takes them.
            model: Which is asked first.
            deadline: For all of it: waiting, fallbacks, the answer.
            options: Passed on: `temperature`, `max_tokens`, …

        Raises:
            NoModel: None could, each for its reason.
            CallFailed: The request itself is wrong.
        """
        if self._cache is None or options.get("temperature") != 0:
            return await self._complete(messages, model, deadline, options)
        loaded = False

        async def load() -> dict[str, Any]:
            nonlocal loaded
            loaded = True
            answer = await self._complete(messages, model, deadline, options)
            fields: dict[str, Any] = {"text": answer.text, "model": answer.model, "cost": answer.cost_usd}
            usage = answer.usage
            return fields | {
                "usage": [usage.prompt, usage.completion, usage.estimated],
                "waited": answer.waited_s,
                "took": answer.took_s,
                "tried": list(answer.tried),
            }

        began = self._now()
        kept = await self._cache.get_for_tenant(_question(messages, model, options), load, kind=self._cache_kind)
        self._cached += not loaded
        return Completion(
            kept["text"],
            kept["model"],
            Usage(*kept["usage"]),
            kept["cost"] if loaded else 0.0,
            not loaded,
            kept["waited"] if loaded else 0.0,
            kept["took"] if loaded else self._now() - began,
            tuple(kept["tried"]),
        )

    async def stream(
        self, messages: Sequence[Message], *, model: str, deadline: str = "60s", **options: Any
    ) -> AsyncIterator[str | Completion]:
        """Yield the answer's text as it comes, and last the `Completion`.

        Before the first text another model may take over; after it a break is an error.

        Raises: As `complete`.
        """
        async for piece in self._asked(messages, model, deadline, options):
            yield piece

    def statistics(self) -> GatewayStatistics:
        """Return the counts of each model."""
        models = {name: tally.statistics(waiting=self._budgets[name].waiting) for name, tally in self._tallies.items()}
        return GatewayStatistics(models, self._cached)

    def trouble(self) -> str | None:
        """Return which providers are left alone and why; None: none is."""
        return "; ".join(breaker.trouble for breaker in self._breakers.values() if breaker.trouble) or None

    async def _complete(
        self, messages: Sequence[Message], model: str, deadline: str, options: Mapping[str, Any]
    ) -> Completion:
        last: Completion | None = None
        async for piece in self._asked(messages, model, deadline, options):
            if isinstance(piece, Completion):
                last = piece
        assert last is not None
        return last

    async def _asked(
        self, messages: Sequence[Message], first: str, deadline: str, options: Mapping[str, Any]
    ) -> AsyncIterator[str | Completion]:
        began = self._now()
        ends_at = began + parse_duration_ns(deadline) / 1e9
        tried: list[str] = []
        for name in self._order(first):
            model, said = self._models[name], False
            try:
                async for piece in self._ask(
                    model, messages, options, ends_at=ends_at, began=began, tried=tuple(tried)
                ):
                    said = True
                    yield piece
                return
            except (CallFailed, OverBudget, BreakerOpen) as error:
                self._tallies[name].failed += 1
                wrong = isinstance(error, CallFailed) and not error.is_worth_another
                if said or wrong:
                    raise
                tried.append(error.message)
            if self._now() >= ends_at:
                break
        raise NoModel(
            "no model could answer in time: " + "; ".join(tried), hint="a longer deadline, or another fallback?"
        )

    async def _ask(
        self,
        model: Model,
        messages: Sequence[Message],
        options: Mapping[str, Any],
        *,
        ends_at: float,
        began: float,
        tried: tuple[str, ...],
    ) -> AsyncIterator[str | Completion]:
        budget, tally = self._budgets[model.name], self._tallies[model.name]
        estimated = _estimated(messages, options)
        # Refused before the turn is waited for: a provider that is down must not keep a queue.
        call = self._breakers[model.provider.name].call()
        with call:
            await budget.take(estimated, within_s=max(0.0, ends_at - self._now()))
            waited_s = self._now() - began
            text: list[str] = []
            usage: Usage | None = None
            try:
                async with asyncio.timeout(max(0.001, ends_at - self._now())):
                    asked = pieces(
                        self._http,
                        model,
                        messages,
                        options,
                        silent_most_s=min(model.timeout_s, max(0.001, ends_at - self._now())),
                    )
                    async for piece in asked:
                        usage = piece.usage or usage
                        if piece.text:
                            text.append(piece.text)
                            yield piece.text
            except TimeoutError as error:
                budget.settle(estimated, estimated)
                raise CallFailed(model.name, "the deadline passed", status=None) from error
            except CallFailed as error:
                self._refused(budget, error, estimated)
                raise
            except BaseException:
                budget.settle(estimated, estimated)
                raise
        spent = usage or Usage(_tokens_of(messages), sum(map(len, text)) // _CHARACTERS_PER_TOKEN, estimated=True)
        budget.settle(estimated, spent.total)
        cost = self._prices.of(model.name, spent)
        tally.add(spent, cost)
        yield Completion("".join(text), model.name, spent, cost, False, waited_s, self._now() - began, tried)

    def _refused(self, budget: Budget, error: CallFailed, estimated: float) -> None:
        if error.status == 429:
            budget.block(error.retry_after_s or _REFUSED_S)
        if error.status is not None and error.status < 500:
            budget.give_back(estimated)
        else:
            budget.settle(estimated, estimated)

    def _order(self, first: str) -> list[str]:
        """Return *first* and what is fallen back to, each once."""
        if first not in self._models:
            raise UsageError(f"there is no model {first!r}; there are {', '.join(sorted(self._models))}")
        order = [first]
        for name in order:
            order += [other for other in self._models[name].fallbacks if other not in order]
        return order


def _is_the_providers_fault(error: BaseException) -> bool:
    """A refusal for now (429) or of the request says that the provider works."""
    return isinstance(error, CallFailed) and (error.status is None or error.status >= 500)


def _tokens_of(messages: Sequence[Message]) -> int:
    return sum(len(str(message.get("content", ""))) for message in messages) // _CHARACTERS_PER_TOKEN + 4 * len(
        messages
    )


def _estimated(messages: Sequence[Message], options: Mapping[str, Any]) -> float:
    most = options.get("max_completion_tokens") or options.get("max_tokens") or _COMPLETION_TOKENS
    return float(_tokens_of(messages) + most)


def _question(messages: Sequence[Message], model: str, options: Mapping[str, Any]) -> str:
    said = json.dumps([model, list(messages), dict(options)], sort_keys=True, default=str)
    return f"llm:{hashlib.blake2b(said.encode(), digest_size=20).hexdigest()}"
