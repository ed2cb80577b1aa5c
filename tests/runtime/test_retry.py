"""What failed is tried again, unless nobody may, or it would only add to the load."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import stamina

from scaleworthy.runtime.breaker import Breaker, BreakerOpen
from scaleworthy.runtime.limit import Limit
from scaleworthy.runtime.retry import retry


@pytest.fixture(autouse=True)
def no_waiting() -> Iterator[None]:
    with stamina.set_testing(True, attempts=100, cap=True):
        yield


async def test_it_is_tried_again_for_what_it_was_asked_to() -> None:
    tried = []

    @retry(ConnectionError, attempts=4)
    async def asked(error: Exception | None) -> int:
        tried.append(error)
        if error is not None and len(tried) < 3:
            raise error
        return len(tried)

    assert await asked(ConnectionError("gone")) == 3
    tried.clear()
    with pytest.raises(KeyError):
        await asked(KeyError("a"))
    assert len(tried) == 1


async def test_an_open_breaker_ends_the_tries() -> None:
    breaker = Breaker("crm", least_calls=2)
    tried = 0

    @retry(Exception, attempts=10)
    @breaker
    async def asked() -> None:
        nonlocal tried
        tried += 1
        raise ConnectionError("gone")

    with pytest.raises(BreakerOpen):
        await asked()
    assert tried == 2


async def test_beyond_the_budget_nobody_tries_again() -> None:
    tried = 0

    @retry(ConnectionError, attempts=3, budget=Limit("1/h", burst=3))
    async def asked() -> None:
        nonlocal tried
        tried += 1
        raise ConnectionError("gone")

    for _ in range(4):
        with pytest.raises(ConnectionError):
            await asked()
    assert tried == 4 + 3
