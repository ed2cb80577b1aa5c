"""What stands for a cache, and the rules that the tests follow."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from scaleworthy.runtime.invalidation import Rule

RULES = [
    Rule("leads", keys=["tenant:{tenant}:lead:{id}"], tags=["tenant:{tenant}:leads"]),
    Rule("campaigns", tags=["campaigns"]),
    Rule("logs"),
]
TABLES = """
create table leads (tenant text, id int, name text, primary key (tenant, id));
create table campaigns (id int primary key, name text); create table logs (id int primary key)
"""


class Told:
    """Keeps what it is told, and lets a test wait for it. *answer*: what it says to being told."""

    def __init__(self, answer: Callable[[], bool] = lambda: True) -> None:
        self.said: list[tuple[list[str], list[str], bool]] = []
        self.positions: list[int | None] = []
        self._answer = answer
        self._more = asyncio.Condition()

    @property
    def keys(self) -> set[str]:
        """All keys it was told."""
        return {key for keys, _, _ in self.said for key in keys}

    @property
    def tags(self) -> set[str]:
        """All tags it was told."""
        return {tag for _, tags, _ in self.said for tag in tags}

    async def invalidate(self, *, keys: Any, tags: Any, everything: bool, position: int | None) -> bool:
        async with self._more:
            self.said.append((list(keys), list(tags), everything))
            self.positions.append(position)
            self._more.notify_all()
        return self._answer()

    async def told(self, number: int) -> None:
        """Wait until it has been told so often."""
        await self.until(lambda: len(self.said) >= number)

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait until what it was told makes *holds* true."""
        async with asyncio.timeout(20), self._more:
            await self._more.wait_for(holds)
