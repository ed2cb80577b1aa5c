"""What does a read in the scope of one tenant cost over a bare SELECT, and how many reads do replicas answer, none stale?

The scoped read: 200,000 rows of 200 tenants under FORCE ROW LEVEL SECURITY, by `Database.read`, beside a bare SELECT of the same
rows (no row-level security, the tenant in the WHERE clause) by psycopg over its own pool, and beside the usual way, BEGIN,
set_config, SELECT, COMMIT, by psycopg and by asyncpg. One caller, one connection at work, all ways in turn; medians of rounds.
The share: 300 clients on a writer and two real replicas. A client thinks (0.5 s on average), then reads (9 of 10) or writes, and
after a write reads at once, as a browser does that is sent on to a list. Each write adds one to a number of the client's; a read
that shows less than what was acknowledged is stale. The rule that pins a client to the writer for some time after each write (2 s:
Rails' default; 15 s: django-multidb-router's) is applied to the same requests at the same times. One read in ten goes to a replica
without any rule, and is counted apart: it shows that stale reads can be seen here.
Fair to whom: caller, writer and both replicas share this machine's cores, so a replica is later here than on a machine of its own.
"""

from __future__ import annotations

import asyncio
import random
import statistics
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import asyncpg
import psycopg
from psycopg.rows import dict_row
from psycopg_pool import AsyncConnectionPool

from rows import Row, arguments, row, show
from scaleworthy.runtime.database import Database, PoolSizes
from scaleworthy.runtime.lsn import Session, session
from scaleworthy.servers import Postgres

TABLES = """
create role service login;
create table leads (
    id int generated always as identity primary key, tenant text not null, name text not null, score int not null
);
insert into leads (tenant, name, score)
    select 't' || i % 200, 'lead ' || i, i % 100 from generate_series(1, 200000) i;
create index on leads (tenant, id desc);
create table bare as select * from leads;
create index on bare (tenant, id desc);
alter table leads enable row level security;
alter table leads force row level security;
create policy own on leads using (tenant = nullif(current_setting('app.current_tenant', true), ''));
create table counters (client int primary key, n int not null);
grant select, update on leads, bare, counters to service;
analyze;
"""
LIST = "select id, name, score from leads order by id desc limit 20"
BARE_LIST = "select id, name, score from bare where tenant = {} order by id desc limit 20"
ONE = "select id, name, score from leads where id = {} limit 20"
BARE_ONE = "select id, name, score from bare where tenant = {} and id = {} limit 20"
SET = "select set_config('app.current_tenant', {}, true)"
CLIENTS, THINK_S, WRITES, UNRULED = 300, 0.5, 0.1, 0.1
PINS_S = (2.0, 15.0)

Way = Callable[[], Awaitable[Any]]


async def median_us(ways: dict[str, Way], *, rounds: int, calls: int) -> dict[str, float]:
    """Return the median over *rounds* of the mean time of a call of each of *ways*, which take turns, µs."""
    took: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(rounds + 1):
        for name, way in ways.items():
            began = time.perf_counter()
            for _ in range(calls):
                await way()
            if number:  # the first round connects and prepares
                took[name].append((time.perf_counter() - began) / calls * 1e6)
    return {name: statistics.median(values) for name, values in took.items()}


def psycopg_ways(pool: AsyncConnectionPool[Any], database: Database, one: bool) -> dict[str, Way]:
    """Return the ways to read by psycopg: a list of 20, or *one* row."""
    values = [5] if one else []
    text, plain = (ONE, BARE_ONE) if one else (LIST, BARE_LIST)
    text, plain = text.format("%s"), plain.format(*["%s"] * plain.count("{}"))

    async def bare() -> None:
        async with pool.connection() as connection:
            await (await connection.execute(plain, ["t5", *values])).fetchall()

    async def four() -> None:
        async with pool.connection() as connection, connection.transaction():
            await connection.execute(SET.format("%s"), ["t5"])
            await (await connection.execute(text, values)).fetchall()

    async def ours() -> None:
        await database.read(text, values, tenant="t5")

    return {"bare": bare, "ours": ours, "four": four}


def asyncpg_ways(pool: Any, one: bool) -> dict[str, Way]:
    """Return the same by asyncpg."""
    values = [5] if one else []
    text, plain = (ONE.format("$1"), BARE_ONE.format("$1", "$2")) if one else (LIST, BARE_LIST.format("$1"))

    async def bare() -> None:
        async with pool.acquire() as connection:
            await connection.fetch(plain, "t5", *values)

    async def four() -> None:
        async with pool.acquire() as connection, connection.transaction():
            await connection.fetch(SET.format("$1"), "t5")
            await connection.fetch(text, *values)

    return {"asyncpg bare": bare, "asyncpg four": four}


async def scoped(dsn: str, *, quick: bool) -> list[Row]:
    """Return the rows of the scoped read."""
    rows = []
    theirs = await asyncpg.create_pool(dsn, min_size=2, max_size=2)
    kwargs = {"autocommit": True, "row_factory": dict_row}
    async with (
        AsyncConnectionPool(dsn, min_size=2, max_size=2, kwargs=kwargs, open=False) as pool,
        Database(dsn, sizes=PoolSizes(write=(2, 2))) as database,
    ):
        for what, one in (("20 rows", False), ("one row", True)):
            ways = {**psycopg_ways(pool, database, one), **asyncpg_ways(theirs, one)}
            us = await median_us(ways, rounds=3 if quick else 15, calls=100 if quick else 300)
            note = f"goal <= 1.5; {us['ours']:.0f} µs, bare {us['bare']:.0f}, four round trips {us['four']:.0f}"
            rows += [
                row(
                    f"tenant-scoped read, {what}",
                    "x bare SELECT",
                    us["ours"] / us["bare"],
                    peer=us["four"] / us["bare"],
                    most=2.5,
                    note=note,
                ),
                row(
                    f"tenant-scoped read, {what}: asyncpg's four round trips",
                    "µs",
                    us["ours"],
                    peer=us["asyncpg four"],
                    note=f"asyncpg's bare SELECT {us['asyncpg bare']:.0f}",
                ),
            ]
    await theirs.close()
    return rows


@dataclass
class Tally:
    """What became of the reads of a run."""

    reads: int = 0
    stale: int = 0
    unruled: int = 0
    unruled_stale: int = 0
    pinned: dict[float, int] = field(default_factory=lambda: dict.fromkeys(PINS_S, 0))
    read_ms: list[float] = field(default_factory=list)
    after_write_ms: list[float] = field(default_factory=list)


class Client:
    """One client with a number of its own."""

    def __init__(self, number: int, database: Database, tally: Tally, chance: random.Random) -> None:
        self._number = number
        self._database = database
        self._tally = tally
        self._chance = chance
        self._acknowledged = 0
        self._wrote_at = float("-inf")
        self._session = Session()

    async def live(self, until: float) -> None:
        """Think, read, write, until then."""
        session.set(self._session)
        while True:
            think_s = self._chance.expovariate(1 / THINK_S)
            # Not one more at the very end: they would all come at once.
            if time.monotonic() + think_s > until:
                return
            await asyncio.sleep(think_s)
            if self._chance.random() < WRITES:
                await self._write()
                await self._read(self._tally.after_write_ms)
            else:
                await self._read(self._tally.read_ms)

    async def _write(self) -> None:
        text = "update counters set n = n + 1 where client = %s returning n"
        [changed] = await self._database.write(text, [self._number], tenant=None)
        self._acknowledged = changed["n"]
        self._wrote_at = time.monotonic()

    async def _read(self, took_ms: list[float]) -> None:
        tally, text = self._tally, "select n from counters where client = %s"
        if self._chance.random() < UNRULED:
            session.set(None)
            [found] = await self._database.read(text, [self._number], tenant=None)
            session.set(self._session)
            tally.unruled += 1
            tally.unruled_stale += found["n"] < self._acknowledged
            return
        began = time.monotonic()
        [found] = await self._database.read(text, [self._number], tenant=None)
        took_ms.append((time.monotonic() - began) * 1e3)
        tally.reads += 1
        tally.stale += found["n"] < self._acknowledged
        for pin_s in PINS_S:
            tally.pinned[pin_s] += began - self._wrote_at < pin_s


async def shared_out(writer: str, replicas: list[str], *, seconds: float) -> list[Row]:
    """Return the rows of the reads that replicas answer."""
    tally, chance = Tally(), random.Random(7)
    sizes = PoolSizes(write=(4, 10), read=(4, 10))
    async with Database(writer, replicas=replicas, sizes=sizes) as database:
        await database.ready()
        clients = [Client(number, database, tally, random.Random(chance.random())) for number in range(1, CLIENTS + 1)]
        until = time.monotonic() + seconds
        await asyncio.gather(*(client.live(until) for client in clients))
        counts = database.statistics()
    # Reads without a rule went to replicas, each of them.
    share = (counts.replica_reads - tally.unruled) / tally.reads
    pins = {pin_s: 1 - pinned / tally.reads for pin_s, pinned in tally.pinned.items()}
    after = statistics.quantiles(tally.after_write_ms, n=100)
    other = statistics.quantiles(tally.read_ms, n=100)
    return [
        row(
            "reads on replicas, read-your-writes kept",
            "share",
            share,
            peer=pins[2.0],
            better="higher",
            least=0.9,
            note=f"goal >= 0.98; peer: pinned for 2 s; for 15 s: {pins[15.0]:.3f}; {counts.waited:,} of {tally.reads:,} reads waited,"
            f" {counts.writes:,} writes",
        ),
        row(
            "stale reads",
            "reads",
            tally.stale,
            peer=tally.unruled_stale,
            most=0,
            note=f"of {tally.reads:,}; peer: of {tally.unruled:,} that went to a replica without a rule",
        ),
        row(
            "read at once after a write, p50",
            "ms",
            after[49],
            note=f"p99 {after[98]:.2g}; other reads {other[49]:.2g}, p99 {other[98]:.2g}",
        ),
    ]


async def measure(*, quick: bool) -> list[Row]:
    """Start the servers and measure both."""
    with Postgres.start() as writer:
        with psycopg.connect(writer.create_database("crm"), autocommit=True) as connection:
            connection.execute(TABLES)
            connection.execute("insert into counters select i, 0 from generate_series(1, %s) i", [CLIENTS])
        with writer.replica() as first, writer.replica() as second:
            dsns = [server.dsn_for("crm").replace("postgres@", "service@") for server in (writer, first, second)]
            rows = await scoped(dsns[0], quick=quick)
            return rows + await shared_out(dsns[0], dsns[1:], seconds=4 if quick else 30)


def main() -> int:
    """Measure, print, and say whether the bars were held."""
    options = arguments(__doc__).parse_args()
    return show("database", asyncio.run(measure(quick=options.quick)), options)


if __name__ == "__main__":
    sys.exit(main())
