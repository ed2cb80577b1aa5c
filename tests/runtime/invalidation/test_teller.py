"""What could not be told is owed until all there is was dropped, and that began after the failure."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from scaleworthy.runtime.invalidation.rules import Dropped
from scaleworthy.runtime.invalidation.teller import Teller
from waiting import until


class Asked:
    """A cache that answers when it is let, each telling by itself."""

    def __init__(self) -> None:
        self.answers: list[asyncio.Future[bool]] = []
        self.everything: list[bool] = []

    async def invalidate(self, *, everything: bool, **_: object) -> bool:
        self.everything.append(everything)
        self.answers.append(asyncio.get_running_loop().create_future())
        return await self.answers[-1]


@pytest.fixture
def cache() -> Asked:
    return Asked()


@pytest.fixture
def teller(cache: Asked) -> Teller:
    return Teller(cache, meter=None)


async def begin(cache: Asked, telling: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
    """Return the telling, when the cache has been asked."""
    number = len(cache.answers)
    task = asyncio.create_task(telling)
    await until(lambda: len(cache.answers) > number, "it is asked")
    return task


async def test_what_fails_while_all_there_is_is_dropped_is_still_owed(cache: Asked, teller: Teller) -> None:
    all_there_is = await begin(cache, teller.everything())
    one = await begin(cache, teller.tell(Dropped(keys={"a"}), position=1, transactions=1))
    cache.answers[1].set_result(False)
    await one
    cache.answers[0].set_result(True)
    await all_there_is
    assert teller.owes

    settling = await begin(cache, teller.settle())
    cache.answers[2].set_result(True)
    await settling
    assert not teller.owes
    assert cache.everything == [True, False, True]


async def test_what_is_told_by_name_pays_nothing_that_is_owed(cache: Asked, teller: Teller) -> None:
    one = await begin(cache, teller.tell(Dropped(keys={"a"}), position=1, transactions=1))
    all_there_is = await begin(cache, teller.everything())
    cache.answers[1].set_exception(ValueError("not now"))
    with pytest.raises(ValueError, match="not now"):
        await all_there_is
    cache.answers[0].set_result(True)
    await one
    assert teller.owes
    assert "could not be told" in (teller.trouble or "")
