"""What the table of the cache promises beyond what every layer does: its server's crash, its size, its locks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from random import Random
from typing import Any

from psycopg_pool import AsyncConnectionPool

from runtime.cache.fleet import Source
from scaleworthy.runtime.cache import Cache, TableLayer
from scaleworthy.runtime.cache.layer import Seen
from scaleworthy.runtime.cache.policy import Life
from waiting import until

HOUR = 3_600 * 10**9
LIFE = Life(0, HOUR, HOUR)


async def put(table: TableLayer, key: str, *, clock: int) -> bool:
    return await table.put(key, b"1", LIFE, load_ns=0, seen=Seen(clock, None), tags=["t"])


@asynccontextmanager
async def held(pool: AsyncConnectionPool[Any], statement: str) -> AsyncIterator[None]:
    """Hold the locks of *statement*."""
    async with pool.connection() as connection, connection.transaction():
        await connection.execute(statement)
        yield


async def test_processes_that_begin_together_all_find_the_tables(table: TableLayer, database: str) -> None:
    await table.drop()
    pool = AsyncConnectionPool[Any](database, min_size=8, open=False)
    async with pool:
        await pool.wait()
        await asyncio.gather(*(TableLayer(pool).create() for _ in range(8)))
    assert await put(table, "a", clock=(await table.get("a")).clock)


async def test_a_load_from_before_a_crash_is_not_kept_after_it(
    table: TableLayer, pool: AsyncConnectionPool[Any]
) -> None:
    began = (await table.get("a")).clock
    assert await put(table, "a", clock=began)
    await table.invalidate(tags=["t"])
    async with pool.connection() as connection:
        # As a crash leaves them: they are UNLOGGED.
        await connection.execute("truncate scaleworthy_cache, scaleworthy_cache_tombstone, scaleworthy_cache_floor")
    assert not await put(table, "a", clock=began)
    assert await put(table, "a", clock=(await table.get("a")).clock)


async def test_however_much_there_is_all_of_it_is_void_at_once(
    table: TableLayer, pool: AsyncConnectionPool[Any]
) -> None:
    clock = (await table.get("a")).clock
    assert await put(table, "a", clock=clock)
    async with asyncio.timeout(10), held(pool, "select from scaleworthy_cache for update"):
        # Who had to touch every entry would wait here.
        await table.invalidate(everything=True)
    assert (await table.get("a")).kept is None
    assert not await put(table, "b", clock=clock)


async def test_what_is_over_is_swept(table: TableLayer, pool: AsyncConnectionPool[Any]) -> None:
    class Always(Random):
        def randrange(self, *_: Any) -> int:
            return 0

    sweeping = TableLayer(pool, budget="5s", rng=Always())
    await table.invalidate(tags=["old", "u"])
    assert await put(table, "a", clock=(await table.get("a")).clock)
    async with pool.connection() as connection:
        await connection.execute("update scaleworthy_cache set gone_at = clock_timestamp()")
        await connection.execute("update scaleworthy_cache_tombstone set forget_at = now() where name = 'old'")
        assert await put(sweeping, "b", clock=(await table.get("a")).clock)
        keys = await (await connection.execute("select key from scaleworthy_cache")).fetchall()
        names = await (await connection.execute("select name from scaleworthy_cache_tombstone")).fetchall()
    assert (keys, names) == ([("b",)], [("u",)])


async def test_a_table_that_is_locked_is_done_without_until_it_is_not(
    table: TableLayer, pool: AsyncConnectionPool[Any]
) -> None:
    source = Source()
    async with Cache(table=TableLayer(pool, budget="50ms", rng=Random(1))) as cache:
        async with held(pool, "lock table scaleworthy_cache"):
            assert await cache.get_or_set("a", source.load) == "value"
            assert cache.trouble() == "table: no answer within 50 ms"
            assert not await cache.invalidate(keys=["a"])

        async def is_kept_again() -> bool:
            await cache.check()
            await cache.set("b", "value")
            return (await table.get("b")).kept is not None

        assert await until(is_kept_again, "an entry in the table")
