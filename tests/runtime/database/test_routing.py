"""Reads see what their session wrote, wherever they are answered; writes never reach a replica."""

from __future__ import annotations

import asyncio

import psycopg
import pytest

from runtime.database.conftest import SMALL, as_service
from scaleworthy.runtime.database import Database, Statement
from scaleworthy.runtime.database.replica import Replica
from scaleworthy.runtime.database.routing import choose
from scaleworthy.runtime.database.statement import may_read_replica
from scaleworthy.runtime.lsn import Reading, Session, parse_lsn, reading, session
from scaleworthy.runtime.tenant import acting_for
from scaleworthy.servers import Postgres
from waiting import until

INSERT = "insert into leads (tenant, name) values (%s, %s) returning id"
NAMES = "select name from leads order by id"


@pytest.mark.parametrize(
    ("text", "fit"),
    [
        ("select 1", True),
        ("  ( select 2 )", True),
        ("/* insert */ with x as (select 1) select * from x -- delete", True),
        ("values (1)", True),
        ("select 'for update', \"update\", $q$insert$q$ from a", True),
        ("select updated_at from a", True),
        ("with gone as (delete from a returning 1) select * from gone", False),
        ("select * from a for update skip locked", False),
        ("select * from a for no key update", False),
        ("select * into b from a", False),
        ("select nextval('a')", False),
        ("select pg_advisory_xact_lock(1)", False),
        ("insert into a values (1)", False),
        ("begin", False),
        ("", False),
    ],
)
def test_what_locks_or_writes_is_not_for_a_replica(text: str, fit: bool) -> None:
    assert may_read_replica(text) is fit


async def test_a_session_reads_what_it_wrote_from_replicas(database: Database) -> None:
    session.set(Session())
    with acting_for("reads"):
        for number in range(30):
            await database.write(INSERT, ["reads", f"lead {number}"])
            names = [row["name"] for row in await database.read(NAMES)]
            assert names == [f"lead {n}" for n in range(number + 1)]
    counts = database.statistics()
    assert (counts.replica_reads, counts.writer_reads, counts.writes) == (30, 0, 30)
    assert counts.replica_share == 1.0


async def test_a_transaction_is_seen_too_and_its_rollback_is_not(database: Database) -> None:
    session.set(Session())
    with acting_for("transactions"):
        async with database.transaction() as connection:
            await connection.execute(INSERT, ["transactions", "kept"])
        with pytest.raises(ZeroDivisionError):  # noqa: PT012 (the block is what is rolled back)
            async with database.transaction() as connection:
                await connection.execute(INSERT, ["transactions", "lost"])
                _ = 1 / 0
        assert [row["name"] for row in await database.read(NAMES)] == ["kept"]


async def test_a_replica_that_is_behind_is_waited_for_and_then_the_writer_asked(
    database: Database, replicas: list[Postgres]
) -> None:
    session.set(Session())
    late = Database(
        as_service_of(database),
        replicas=[as_service(replica) for replica in replicas],
        sizes=SMALL,
        wait="1ms",
        heartbeat="1s",
    )
    for replica in replicas:
        replica.run_sql("select pg_wal_replay_pause()")
    try:
        async with late:
            await late.ready()
            with acting_for("late"):
                await late.write(INSERT, ["late", "Ann"])
                assert [row["name"] for row in await late.read(NAMES)] == ["Ann"]
            counts = late.statistics()
            assert (counts.replica_reads, counts.writer_reads, counts.too_late) == (0, 1, 1)
            other = asyncio.create_task(without_a_session(late))
            await other
            assert late.statistics().replica_reads == 1, "who wrote nothing may read what is a little older"
    finally:
        for replica in replicas:
            replica.run_sql("select pg_wal_replay_resume()")
    with acting_for("late"):
        assert [row["name"] for row in await database.read(NAMES)] == ["Ann"]


async def without_a_session(database: Database) -> None:
    session.set(None)
    await database.read("select 1 as one", tenant=None)


def as_service_of(database: Database) -> str:
    return database.writer_dsn


async def test_locks_and_hidden_writes_go_to_the_writer(database: Database, writer: Postgres) -> None:
    with psycopg.connect(writer.dsn_for("crm"), autocommit=True) as owner:
        owner.execute(
            "create or replace function hidden() returns int language sql security definer as"
            " $$insert into leads (tenant, name) values ('hidden', 'x') returning 1$$"
        )
        row = owner.execute("select pg_current_wal_insert_lsn()::text").fetchone()
        assert row is not None
    made = Session(parse_lsn(row[0]))
    session.set(made)
    with acting_for("locks"):
        await database.read("select id from leads for update")
        assert database.statistics().writer_reads == 1
        for _ in range(2):
            assert await database.read("select hidden() as n") == [{"n": 1}]
    counts = database.statistics()
    assert (counts.writer_reads, counts.unfit) == (3, 1), "a replica refused it once, and is not asked again"
    assert made.position > parse_lsn(row[0]), "what a read has written is seen by those that follow"


async def test_no_tenant_sees_another_ones_rows(database: Database) -> None:
    async def visit(tenant: str, number: int) -> None:
        session.set(Session())
        with acting_for(tenant):
            await database.write(INSERT, [tenant, f"{tenant} {number}"])
            seen, counted = await database.read_all(
                [Statement("select distinct tenant from leads"), Statement("select count(*) from leads")]
            )
            assert seen == [{"tenant": tenant}]
            assert counted[0]["count"] >= 1

    await asyncio.gather(*(visit(f"tenant-{number % 5}", number) for number in range(50)))
    assert await database.read("select count(*) from leads", tenant=None) == [{"count": 0}]


async def test_a_failed_statement_leaves_its_connection_usable_and_its_tenant_behind(database: Database) -> None:
    with acting_for("failing"):
        for _ in range(20):
            with pytest.raises(psycopg.errors.DivisionByZero):
                await database.write("select 1/0")
            with pytest.raises(psycopg.errors.UndefinedTable):
                await database.read("select * from nothing")
    assert await database.read("select count(*) from leads", tenant=None) == [{"count": 0}]


async def test_a_replica_that_dies_leaves_and_one_that_comes_is_used(database: Database, writer: Postgres) -> None:
    third = writer.replica()
    alone = Database(as_service(writer), replicas=[as_service(third)], sizes=SMALL, heartbeat="20ms")
    async with alone:
        await alone.ready()
        assert await alone.read("select 1 as one", tenant=None) == [{"one": 1}]
        assert alone.statistics().replica_reads == 1
        third.stop()
        assert await alone.read("select 2 as two", tenant=None) == [{"two": 2}]
        assert alone.statistics().writer_reads == 1
        await until(lambda: "replica 1" in (alone.trouble() or ""), "it is told")
        assert alone.replica_troubles() == [alone.trouble()]


async def test_a_replica_too_far_behind_is_left_out() -> None:
    replica = Replica(
        "", name="replica 1", heartbeat_s=0.1, lag_most=1_000_000, writer_position=lambda: 3_000_000, now=lambda: 0.0
    )
    replica.heard(1_999_999)
    assert replica.trouble == "replica 1: 1,000,001 bytes behind the writer, at most 1,000,000 are wanted"
    replica.heard(2_000_000)
    assert replica.trouble is None


async def test_what_a_read_has_seen_is_noted_for_caches(database: Database) -> None:
    noted = Reading()
    reading.set(noted)
    session.set(Session())
    with acting_for("noted"):
        await database.write(INSERT, ["noted", "Ann"])
        caller = session.get()
        assert caller is not None
        await database.read(NAMES)
    reading.set(None)
    assert noted.position is not None
    assert noted.position >= caller.position > 0


def test_replicas_take_turns_or_the_idlest_is_asked() -> None:
    replicas = [
        Replica("", name=str(n), heartbeat_s=1, lag_most=1, writer_position=lambda: 0, now=lambda: 0.0)
        for n in range(3)
    ]
    assert [choose(replicas, "round-robin", turn=n).name for n in range(4)] == ["0", "1", "2", "0"]
    replicas[0].at_work = replicas[2].at_work = 1
    assert {choose(replicas, "least-busy", turn=n).name for n in range(4)} == {"1"}
