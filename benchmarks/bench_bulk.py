"""How many rows a second get into PostgreSQL, at once and one by one, and what does a page deep in a list cost?

Create: 100,000 rows of five columns (bigint key, text, integer with a check, timestamptz, bigint) into an empty table, given as
dictionaries. The peer is psycopg's COPY of ready tuples, in text as its documentation shows it, and in binary, which is the most that a
table of these types takes: both write nothing but good rows, and end at a bad one. With 1 % of bad rows: against one INSERT in a savepoint
for each row, the other way to learn which are bad. One by one: 64 tasks that insert a row, wait for its key, and insert the next, on
asyncio's own loop and, all of them again, on uvloop's, which is what servers of applications run on; the peers hold 16 connections
(more are slower on two cores). Pages: 20 of 200,000 rows, newest first, 100,000 rows down.
Every way in turns, the median of the runs; the server keeps what it commits (fsync). Bars: half of COPY (goal 0.8), 50,000 rows/s (goal
100,000).
Fair to whom: executemany and asyncpg take tuples that are ready too; ours takes them out of dictionaries and looks at every one.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import psycopg
import uvloop
from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool

from rows import Row, arguments, row, show
from scaleworthy.runtime.bulk import InsertCoalescer, Keyset, OnConflict, bulk_create, bulk_update
from scaleworthy.servers import Postgres

Way = Callable[[], Awaitable[object]]
TABLE = "create table t (id bigint primary key, name text, score int check (score >= 0), created_at timestamptz, value bigint)"
COLUMNS = ("id", "name", "score", "created_at", "value")
TYPES = ("int8", "text", "int4", "timestamptz", "int8")
INSERT = f"insert into t ({', '.join(COLUMNS)}) values (%s, %s, %s, %s, %s)"
WRITERS, CONNECTIONS = 64, 16
ONE = "insert into single (name, score, value) values ({}, {}, {}) returning id"


def made(count: int) -> list[dict[str, Any]]:
    """Return the rows."""
    at = datetime(2026, 1, 1, tzinfo=UTC)
    return [
        {"id": n, "name": f"name {n}", "score": n % 100, "created_at": at + timedelta(seconds=n), "value": n * 7}
        for n in range(count)
    ]


async def per_s(ways: dict[str, tuple[int, Way]], before: Way, repeats: int) -> dict[str, float]:
    """Return rows per second of each way, by (rows, way); in turns, the median."""
    seen: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(repeats):
        for name, (rows, way) in ways.items():
            await before()
            begin = time.perf_counter()
            await way()
            seen[name].append(rows / (time.perf_counter() - begin))
    return {name: statistics.median(runs) for name, runs in seen.items()}


async def create(dsn: str, count: int, repeats: int) -> list[Row]:
    """Return the rows of bulk writes."""
    rows = made(count)
    tuples = [tuple(one.values()) for one in rows]
    bad = [one | {"score": -1} if one["id"] % 100 == 50 else one for one in rows]
    few = count // 20
    other = await asyncpg.connect(dsn)
    async with await AsyncConnection.connect(dsn, autocommit=True) as connection:
        await connection.execute(TABLE)

        async def emptied() -> None:
            await connection.execute("truncate t")

        async def ours(given: list[dict[str, Any]], wanted: int, **how: Any) -> None:
            outcome = await bulk_create(connection, "t", given, **how)
            assert outcome.successful == wanted

        async def changed() -> None:
            await bulk_create(connection, "t", rows[:few])
            outcome = await bulk_update(connection, "t", [{"id": n, "score": 5} for n in range(few)])
            assert outcome.successful == few

        async def copy(*, binary: bool) -> None:
            text = f"copy t ({', '.join(COLUMNS)}) from stdin{' (format binary)' * binary}"
            async with connection.cursor() as cursor, cursor.copy(text.encode()) as copying:
                if binary:
                    copying.set_types(TYPES)
                for one in tuples:
                    await copying.write_row(one)

        async def executemany() -> None:
            async with connection.transaction(), connection.cursor() as cursor:
                await cursor.executemany(INSERT.encode(), tuples[:few])

        async def unnest() -> None:
            places = ", ".join(f"%s::{kind}[]" for kind in TYPES)
            text = f"insert into t ({', '.join(COLUMNS)}) select * from unnest({places})"
            for first in range(0, few, 1_000):
                await connection.execute(
                    text.encode(), [list(c) for c in zip(*tuples[first : first + 1_000], strict=True)]
                )

        async def savepoints() -> None:
            async with connection.transaction():
                for one in bad[:few]:
                    try:
                        async with connection.transaction():
                            await connection.execute(INSERT.encode(), tuple(one.values()))
                    except psycopg.errors.CheckViolation:
                        pass

        numbered = INSERT
        for number in range(1, 6):
            numbered = numbered.replace("%s", f"${number}", 1)
        said = await per_s(
            {
                "ours": (count, lambda: ours(rows, count)),
                "copy": (count, lambda: copy(binary=False)),
                "copy in binary": (count, lambda: copy(binary=True)),
                "ours, 1 % bad": (count, lambda: ours(bad, count - count // 100)),
                "savepoints, 1 % bad": (few, savepoints),
                "ours, conflicts": (count, lambda: ours(rows, count, on_conflict=OnConflict(["id"], None))),
                "ours, update": (few, changed),
                "executemany": (few, executemany),
                "unnest": (few, unnest),
                "asyncpg executemany": (few, lambda: other.executemany(numbered, tuples[:few])),
                "asyncpg copy": (count, lambda: other.copy_records_to_table("t", records=tuples, columns=COLUMNS)),
            },
            emptied,
            repeats,
        )
    await other.close()

    def beside(what: str, ours_by: str, peer: str, **bars: Any) -> Row:
        return row(what, "rows/s", said[ours_by], peer=said[peer], better="higher", **bars)

    return [
        beside("bulk create beside COPY", "ours", "copy", least_ratio=0.5, note="psycopg, text; goal 0.8"),
        beside("bulk create beside binary COPY", "ours", "copy in binary", least_ratio=0.5, note="psycopg; goal 0.8"),
        beside("… beside asyncpg's COPY", "ours", "asyncpg copy"),
        beside("… beside executemany", "ours", "executemany", note="psycopg"),
        beside("… beside asyncpg's executemany", "ours", "asyncpg executemany"),
        beside("… beside arrays of 1,000 rows", "ours", "unnest", note="psycopg, INSERT … SELECT FROM unnest"),
        beside("… with 1 % of bad rows", "ours, 1 % bad", "savepoints, 1 % bad", note="a savepoint for each row"),
        beside("… ON CONFLICT DO UPDATE", "ours, conflicts", "unnest", note="arrays without ON CONFLICT"),
        row("bulk create and update of as many", "rows/s", said["ours, update"]),
    ]


async def singles(dsn: str, each: int, repeats: int, loop: str = "") -> list[Row]:
    """Return the rows of single inserts by many writers, on the event loop whose name *loop* adds to theirs (none: asyncio's)."""
    async with (
        AsyncConnectionPool(dsn, min_size=CONNECTIONS, open=False, kwargs={"autocommit": True}) as pool,
        asyncpg.create_pool(dsn, min_size=CONNECTIONS, max_size=CONNECTIONS) as other,
    ):
        await pool.wait()
        async with pool.connection() as connection:
            await connection.execute(
                "create table single (id bigint generated always as identity primary key, name text, score int, value bigint)"
            )

        async def writers(insert: Callable[[int], Awaitable[object]], rows: int) -> None:
            async def write(writer: int) -> None:
                for _ in range(rows):
                    await insert(writer)

            await asyncio.gather(*map(write, range(WRITERS)))

        def joined() -> Way:
            async def run() -> None:
                inserts = InsertCoalescer(pool, "single", ["name", "score", "value"])
                await writers(lambda n: inserts.insert({"name": f"writer {n}", "score": n, "value": n * 7}), each)
                assert inserts.statistics().rows == WRITERS * each

            return run

        async def alone(n: int) -> None:
            async with pool.connection() as used:
                await (await used.execute(ONE.format("%s", "%s", "%s").encode(), [f"writer {n}", n, n * 7])).fetchone()

        async def alone_by_asyncpg(n: int) -> None:
            await other.fetchval(ONE.format("$1", "$2", "$3"), f"writer {n}", n, n * 7)

        async def emptied() -> None:
            async with pool.connection() as used:
                await used.execute("truncate single")

        few = max(each // 20, 5)
        said = await per_s(
            {
                "ours": (WRITERS * each, joined()),
                "psycopg": (WRITERS * few, lambda: writers(alone, few)),
                "asyncpg": (WRITERS * few, lambda: writers(alone_by_asyncpg, few)),
            },
            emptied,
            repeats,
        )
    what = f"single inserts by {WRITERS} writers{loop}"
    return [
        row(
            what,
            "rows/s",
            said["ours"],
            peer=said["psycopg"],
            better="higher",
            least=50_000,
            note="goal 100,000; peer psycopg",
        ),
        row(f"… beside asyncpg{loop}", "rows/s", said["ours"], peer=said["asyncpg"], better="higher"),
    ]


async def pages(dsn: str, repeats: int) -> list[Row]:
    """Return the row of a page deep in a list."""
    keyset = Keyset(["created_at", "id"], "desc", name="list")
    async with await AsyncConnection.connect(dsn, autocommit=True) as connection:
        await connection.execute(
            "create table list as select n as id, now() - n * interval '1 s' as created_at, md5(n::text) as name"
            " from generate_series(1, 200000) n"
        )
        await connection.execute("create index on list (created_at, id)")
        await connection.execute("vacuum analyze list")
        [after] = await (await connection.execute("select created_at, id from list where id = 100000")).fetchall()
        position = keyset.read(keyset.write(after))
        times: dict[str, list[float]] = {"keyset": [], "offset": []}
        for _ in range(repeats * 5):
            for name, text, values in (
                (
                    "keyset",
                    f"select * from list {keyset.where(position)} {keyset.order_by(20)}",
                    keyset.values(position),
                ),
                ("offset", f"select * from list {keyset.order_by(20)} offset 100000", None),
            ):
                begin = time.perf_counter()
                found = await (await connection.execute(text.encode(), values)).fetchall()
                times[name].append(time.perf_counter() - begin)
                assert found[0][0] == 100_001
    ours, peer = (statistics.median(times[name]) * 1e3 for name in ("keyset", "offset"))
    return [row("a page of 20, 100,000 rows down", "ms", ours, peer=peer, least_ratio=5, note="OFFSET")]


def measured(server: Postgres, *, quick: bool) -> list[Row]:
    """Return all rows."""
    count, each, repeats = (20_000, 100, 3) if quick else (100_000, 500, 5)
    dsn = server.create_database("bulk")
    rows = asyncio.run(create(dsn, count, repeats)) + asyncio.run(singles(dsn, each, repeats))
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        rows += runner.run(singles(server.create_database("uvloop"), each, repeats, ", on uvloop"))
    return rows + asyncio.run(pages(dsn, repeats))


def main() -> int:
    """Measure, print, and say whether the bars were held."""
    options = arguments(__doc__).parse_args()
    with Postgres.start() as server:
        rows = measured(server, quick=options.quick)
    return show("bulk", rows, options)


if __name__ == "__main__":
    sys.exit(main())
