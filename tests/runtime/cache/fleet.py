"""Caches of one fleet over the same servers, with a clock for memory that the test sets."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from random import Random
from typing import Any, Self

from scaleworthy.runtime.cache import Cache, Policy, TableLayer, ValkeyLayer

SECOND = 10**9


class Source:
    """What is cached: says how often it was asked, and answers when the test lets it."""

    def __init__(self, value: Any = "value") -> None:
        self.value = value
        self.asked = 0
        self.error: Exception | None = None
        self.gate = asyncio.Event()
        self.gate.set()
        self.entered = asyncio.Event()

    async def load(self) -> Any:
        """Read the value, then wait until it may be handed over, as a statement does whose answer is under way."""
        self.asked += 1
        read, error = self.value, self.error
        self.entered.set()
        await self.gate.wait()
        if error is not None:
            raise error
        return read

    def of(self, value: Any) -> Callable[[], Awaitable[Any]]:
        """Return a loader of *value*."""
        self.value = value
        return self.load


class Fleet:
    """As many caches as are asked for."""

    def __init__(self, *, url: str | None, prefix: str, table: TableLayer | None, **layer: Any) -> None:
        self._layer = {"budget": "5s", **layer}
        self.now_ns = 1_000 * SECOND
        self.shares = url is not None or table is not None
        self._url, self.prefix, self._table = url, prefix, table
        self._caches: list[Cache] = []

    async def cache(self, **policy: Any) -> Cache:
        """Return one more cache, listening."""
        layer = None if self._url is None else ValkeyLayer(self._url, prefix=self.prefix, **self._layer)
        made = Cache(
            valkey=layer,
            table=self._table,
            classes={"default": Policy(**{"jitter": 0.0, **policy})},
            now_ns=lambda: self.now_ns,
            rng=Random(1),
        )
        self._caches.append(made)
        await made.open()
        await made.listening()
        return made

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        for made in self._caches:
            await made.close()
