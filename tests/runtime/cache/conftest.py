"""Real servers for the layers, and caches that share them as the processes of a fleet do."""

from __future__ import annotations

from collections.abc import AsyncIterator
from itertools import count
from random import Random
from typing import Any

import pytest
from psycopg_pool import AsyncConnectionPool

from runtime.cache.fleet import Fleet
from scaleworthy.runtime.cache import TableLayer
from scaleworthy.servers import Valkey

_PREFIXES = (f"test{number}:" for number in count())


@pytest.fixture(scope="session")
async def pool(database: str) -> AsyncIterator[AsyncConnectionPool[Any]]:
    async with AsyncConnectionPool(database, min_size=2, open=False, kwargs={"autocommit": True}) as opened:
        yield opened


@pytest.fixture
async def table(pool: AsyncConnectionPool[Any]) -> AsyncIterator[TableLayer]:
    layer = TableLayer(pool, budget="5s", rng=Random(1))
    await layer.create()
    yield layer
    await layer.drop()


@pytest.fixture(params=["memory", "valkey", "table", "valkey and table"])
async def fleet(request: pytest.FixtureRequest, valkey: Valkey, table: TableLayer) -> AsyncIterator[Fleet]:
    layers = request.param
    async with Fleet(
        url=valkey.url if "valkey" in layers else None,
        prefix=next(_PREFIXES),
        table=table if "table" in layers else None,
    ) as made:
        yield made


@pytest.fixture
async def sharing(valkey: Valkey) -> AsyncIterator[Fleet]:
    async with Fleet(url=valkey.url, prefix=next(_PREFIXES), table=None) as made:
        yield made
