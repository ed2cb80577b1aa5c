"""A server whose log can be decoded, with the tables that the rules name."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from itertools import count
from typing import Any

import psycopg
import pytest
from psycopg import AsyncConnection

from runtime.invalidation.told import TABLES
from scaleworthy.servers import Postgres

_NAMES = (f"followed{number}" for number in count())


@pytest.fixture(scope="package")
def logical() -> Iterator[Postgres]:
    with Postgres.start(settings={"wal_level": "logical"}) as started:
        started.run_sql(TABLES)
        yield started


@pytest.fixture
def name() -> str:
    return next(_NAMES)


@pytest.fixture
async def connection(logical: Postgres) -> AsyncIterator[AsyncConnection[Any]]:
    async with await psycopg.AsyncConnection.connect(logical.dsn, autocommit=True) as opened:
        await opened.execute("truncate leads, campaigns, logs")
        yield opened
