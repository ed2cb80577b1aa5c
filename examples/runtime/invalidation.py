"""A cache that follows the database: what changes is forgotten in every process, also while the process that followed is gone.

Starts an embedded PostgreSQL and Valkey. With your own: wal_level = logical, and a role with REPLICATION.

    python examples/runtime/invalidation.py
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

import psycopg

from scaleworthy.runtime.cache import Cache, ValkeyLayer
from scaleworthy.runtime.invalidation import Rule, SlotFollower
from scaleworthy.servers import Postgres, Valkey

TABLE = """
create table leads (tenant text, id int, name text, primary key (tenant, id));
insert into leads values ('a', 1, 'Ann'), ('b', 1, 'Bob')
"""
RULES = [Rule("leads", keys=["tenant:{tenant}:lead:{id}"], tags=["tenant:{tenant}:leads"])]


async def show(dsn: str, url: str) -> None:
    """Two processes of a fleet, here in one: each has a cache and a follower, one of which reads the slot."""
    async with AsyncExitStack() as stack:
        caches = [await stack.enter_async_context(Cache(valkey=ValkeyLayer(url))) for _ in range(2)]
        followers = [SlotFollower(dsn, cache, RULES, every="50ms") for cache in caches]
        await followers[0].create()
        for cache in caches:
            await cache.listening()
        followers[0].start()
        await followers[0].reading()
        followers[1].start()
        connection = await stack.enter_async_context(await psycopg.AsyncConnection.connect(dsn, autocommit=True))

        async def name_of(tenant: str) -> str | None:
            row = await (await connection.execute("select name from leads where tenant = %s", [tenant])).fetchone()
            return None if row is None else str(row[0])

        async def ask() -> list[str]:
            """Ask the second process for a lead of each tenant."""
            return [
                str(
                    await caches[1].get_or_set(
                        f"tenant:{tenant}:lead:1",
                        lambda tenant=tenant: name_of(tenant),
                        tags=[f"tenant:{tenant}:leads"],
                    )
                )
                for tenant in ("a", "b")
            ]

        print("kept:", *await ask())
        heard = caches[1].next_change()
        await connection.execute("update leads set name = 'Anna' where tenant = 'a'")
        await heard
        print("after an UPDATE:", *await ask(), "- loads:", caches[1].statistics()["default"].loads)

        await followers[0].stop()
        await connection.execute("update leads set name = 'Bobby' where tenant = 'b'")
        await followers[1].reading()
        while (names := await ask())[1] != "Bobby":  # noqa: ASYNC110 (as a client would ask)
            await asyncio.sleep(0.01)
        print("after the follower has gone:", *names)

        counts = followers[1].statistics()
        print(f"the second took over and told {counts.keys} key, {counts.everything} times everything;", end=" ")
        print(f"trouble: {followers[1].trouble()}")
        await followers[1].stop()
        await followers[1].drop()


def main() -> None:
    """Start the servers and use them."""
    with Postgres.start(settings={"wal_level": "logical"}) as postgres, Valkey.start() as valkey:
        with psycopg.connect(postgres.dsn, autocommit=True) as connection:
            connection.execute(TABLE)
        asyncio.run(show(postgres.dsn, valkey.url))


if __name__ == "__main__":
    main()
