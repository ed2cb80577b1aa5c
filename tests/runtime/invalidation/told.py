"""What stands for a cache, and the rules that the tests follow."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from scaleworthy.runtime.invalidation import NotifyFollower, Rule, SlotFollower
from waiting import until

RULES = [
    Rule("leads", keys=["tenant:{tenant}:lead:{id}"], tags=["tenant:{tenant}:leads"]),
    Rule("campaigns", tags=["campaigns"]),
    Rule("logs"),
]
TABLES = """
create table leads (tenant text, id int, name text, primary key (tenant, id));
create table campaigns (id int primary key, name text); create table logs (id int primary key)
"""


Follower = TypeVar("Follower", SlotFollower, NotifyFollower)


async def begin(follower: Follower) -> None:
    """Make what it needs, start it, and wait until it reads."""
    await follower.create()
    follower.start()
    await follower.reading()


@asynccontextmanager
async def following(follower: Follower) -> AsyncIterator[Follower]:
    """Yield the follower, which reads; it and what it needed are gone at the end."""
    try:
        await begin(follower)
        yield follower
    finally:
        await follower.stop()
        await follower.drop()


class Told:
    """Keeps what it is told, and lets a test wait for it. *answer*: what it says to being told."""

    def __init__(self, answer: Callable[[], bool] = lambda: True) -> None:
        self.said: list[tuple[list[str], list[str], bool]] = []
        self.positions: list[int | None] = []
        self._answer = answer

    @property
    def keys(self) -> set[str]:
        """All keys it was told."""
        return {key for keys, _, _ in self.said for key in keys}

    @property
    def tags(self) -> set[str]:
        """All tags it was told."""
        return {tag for _, tags, _ in self.said for tag in tags}

    async def invalidate(self, *, keys: Any, tags: Any, everything: bool, position: int | None) -> bool:
        self.said.append((list(keys), list(tags), everything))
        self.positions.append(position)
        return self._answer()

    async def told(self, number: int) -> None:
        """Wait until it has been told so often."""
        await self.until(lambda: len(self.said) >= number)

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait until what it was told makes *holds* true."""
        await until(holds, "what it is told")
