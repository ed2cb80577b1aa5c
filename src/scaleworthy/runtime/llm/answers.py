"""Answers that are kept: the same question with temperature 0 is asked once."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from scaleworthy.runtime.cache import Cache, Policy
from scaleworthy.runtime.llm.model import Usage
from scaleworthy.runtime.llm.wire import Message
from scaleworthy.runtime.tenant import tenant_key

_KIND = "llm"
# A loader has deadlines of its own, which are the callers'.
_LOAD_MOST = "1h"


@dataclass(frozen=True, slots=True)
class Completion:
    """An answer. `tried` are the models that were asked before it in vain, each with why; *cost_usd* None: its price is not known.

    Attributes:
        finish: Why it ends, as the provider says: `stop`, `length`, …
        waited_s: For its turn, and for models that could not.
        first_s: Until its first text came, all told.
        took_s: All told.
    """

    text: str
    model: str
    usage: Usage
    cost_usd: float | None
    cached: bool
    waited_s: float
    first_s: float
    took_s: float
    finish: str | None = None
    tried: tuple[str, ...] = ()


class Answers:
    """Keeps answers in *cache*, of its class of data *kind*; None: the 1,000 that are asked for most, in memory, for 5 minutes."""

    def __init__(self, cache: Cache | None, kind: str) -> None:
        policy = Policy(entries=1_000, memory="5m", valkey=None, table=None, negative=None, load_timeout=_LOAD_MOST)
        self._own = Cache(classes={_KIND: policy}) if cache is None else None
        self._cache = cache or self._own or Cache()
        self._kind = kind if cache is not None else _KIND
        self.found = 0

    async def close(self) -> None:
        """Close the cache, where it is our own."""
        if self._own is not None:
            await self._own.close()

    async def look(self, question: str) -> Completion | None:
        """Return the answer that is kept."""
        kept = await self._cache.get(tenant_key(question), kind=self._kind)
        if kept is None:
            return None
        self.found += 1
        return _kept(kept)

    async def get(self, question: str, ask: Callable[[], Awaitable[Completion]]) -> Completion:
        """Return the answer that is kept, or what *ask* returns; however many want it, one asks."""
        asked: list[Completion] = []

        async def load() -> dict[str, Any]:
            asked.append(await ask())
            return _fields(asked[0])

        kept = await self._cache.get_for_tenant(question, load, kind=self._kind)
        if asked:
            return asked[0]
        self.found += 1
        return _kept(kept)

    async def keep(self, question: str, answer: Completion) -> None:
        """Keep an answer that came as a stream."""

        async def load() -> dict[str, Any]:
            return _fields(answer)

        await self._cache.get_for_tenant(question, load, kind=self._kind)


def question(messages: Sequence[Message], model: str, options: Mapping[str, Any]) -> str:
    """Return the key of what is asked."""
    said = json.dumps([model, list(messages), dict(options)], sort_keys=True, default=str)
    return f"llm:{hashlib.blake2b(said.encode(), digest_size=20).hexdigest()}"


def _fields(answer: Completion) -> dict[str, Any]:
    usage = answer.usage
    counts = [usage.prompt, usage.completion, usage.estimated, usage.cached]
    return {"text": answer.text, "model": answer.model, "finish": answer.finish, "usage": counts}


def _kept(fields: Mapping[str, Any]) -> Completion:
    """Return an answer that asked nobody: it cost nothing, and its usage is what it once was."""
    usage = Usage(*fields["usage"])
    free = Completion(fields["text"], fields["model"], usage, 0.0, True, 0.0, 0.0, 0.0)
    return replace(free, finish=fields["finish"])
