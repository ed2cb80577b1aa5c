"""No interleaving of tenants, failures and callers that go away shows one tenant another one's rows."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections import Counter

import psycopg
import pytest

from runtime.database.conftest import as_service
from runtime.database.test_routing import INSERT
from scaleworthy.runtime.database import Database, PoolSizes, Statement
from scaleworthy.runtime.lsn import Session, session
from scaleworthy.runtime.tenant import acting_for
from scaleworthy.servers import Postgres

OWNERS = "select distinct tenant from leads"
COUNT = "select count(*) as leads from leads"
WEIGHTS = {"read": 4, "write": 3, "write_together": 1, "fail": 1, "forge": 1, "go_away": 1, "ask_outside": 1}


class Visit:
    """A caller that acts for one tenant, and does what it is told."""

    def __init__(self, database: Database, tenant: str, others: list[str], chance: random.Random) -> None:
        self.database, self.tenant, self.others, self.chance = database, tenant, others, chance
        self.written = 0

    async def do(self, what: list[str]) -> None:
        session.set(Session())
        with acting_for(self.tenant):
            for name in what:
                await getattr(self, name)()

    async def read(self) -> None:
        owners, [count] = await self.database.read_all([Statement(OWNERS), Statement(COUNT)])
        assert owners in ([], [{"tenant": self.tenant}])
        assert count["leads"] >= self.written, "what was written is read"

    async def write(self) -> None:
        await self.database.write(INSERT, [self.tenant, "Ann"])
        self.written += 1

    async def write_together(self) -> None:
        async with self.database.transaction() as connection:
            await connection.execute(INSERT, [self.tenant, "Bo"])
            cursor = await connection.execute(OWNERS)
            assert [row[0] for row in await cursor.fetchall()] == [self.tenant]
        self.written += 1

    async def fail(self) -> None:
        with pytest.raises(psycopg.errors.DivisionByZero):
            await self.database.write_all([Statement(INSERT, [self.tenant, "lost"]), Statement("select 1/0")])
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            await self.database.write(INSERT, [self.chance.choice(self.others), "forged"])

    async def forge(self) -> None:
        theirs = [self.chance.choice(self.others)]
        assert await self.database.read("select * from leads where tenant = %s", theirs) == []
        assert await self.database.write("update leads set name = 'x' where tenant = %s returning id", theirs) == []

    async def go_away(self) -> None:
        asked = self.database.read_all([Statement("select pg_sleep(0.02)"), Statement(OWNERS)])
        task = asyncio.create_task(asked)
        for _ in range(self.chance.randrange(30)):
            await asyncio.sleep(0)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task

    async def ask_outside(self) -> None:
        assert await self.database.read(COUNT, tenant=None) == [{"leads": 0}]


@pytest.mark.parametrize("prepare", [True, False], ids=["prepared", "not prepared"])
@pytest.mark.parametrize("seed", range(5))
async def test_tenants_in_random_order_over_few_connections_see_their_own_alone(
    writer: Postgres, replicas: list[Postgres], seed: int, prepare: bool
) -> None:
    chance = random.Random(seed)
    tenants = [f"{seed}-{prepare}-{number}" for number in range(5)]
    made = Database(
        as_service(writer),
        replicas=[as_service(replica) for replica in replicas],
        sizes=PoolSizes(write=(1, 2), read=(1, 2), acquire="20s"),
        prepare=prepare,
        heartbeat="20ms",
    )
    async with made as database:
        await database.ready()
        visits = []
        for _ in range(30):
            tenant = chance.choice(tenants)
            visits.append(Visit(database, tenant, [other for other in tenants if other != tenant], chance))
        await asyncio.gather(
            *(visit.do(chance.choices(list(WEIGHTS), list(WEIGHTS.values()), k=8)) for visit in visits)
        )

        written: Counter[str] = Counter()
        for visit in visits:
            written[visit.tenant] += visit.written
        assert sum(written.values()) > 20
        for tenant, count in written.items():
            assert await database.write(COUNT, tenant=tenant) == [{"leads": count}]
        assert await database.read(COUNT, tenant=None) == [{"leads": 0}]
        assert database.statistics().replica_reads > 20
