"""What goes wrong with servers, and what is answered meanwhile: real servers are stopped, held, promoted, restarted."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import psutil
import psycopg
import pytest

from runtime.database.conftest import SMALL, as_service
from runtime.database.test_routing import INSERT, NAMES
from scaleworthy.runtime.database import Database, PoolExhausted, PoolSizes
from scaleworthy.runtime.database.replica import Replica
from scaleworthy.runtime.lsn import Session, session
from scaleworthy.runtime.tenant import acting_for
from scaleworthy.servers import Postgres
from waiting import until

# Long on a replica, at once on the writer.
SLOW_ON_REPLICAS = "select pg_sleep(case when pg_is_in_recovery() then 60 else 0 end), pg_is_in_recovery() as replica"


def alone(writer: Postgres, replica: Postgres, **more: str) -> Database:
    given = {"heartbeat": "20ms", "wait": "1ms", **more}
    return Database(as_service(writer), replicas=[as_service(replica)], sizes=SMALL, **given)


@asynccontextmanager
async def beside(writer: Postgres, **more: str) -> AsyncIterator[tuple[Postgres, Database]]:
    """Yield a replica that a test may break, and a database that asks it alone, and does so by now."""
    with writer.replica() as replica:
        async with alone(writer, replica, **more) as database:
            await database.ready()
            yield replica, database


async def answered_by_replica(database: Database) -> bool:
    """Read, and say whether a replica answered: for a connection to it a read waits but a moment."""
    before = database.statistics().replica_reads
    await database.read("select 1", tenant=None)
    return database.statistics().replica_reads == before + 1


async def test_a_replica_that_is_stopped_leaves_and_comes_back_by_itself(writer: Postgres, tmp_path: Path) -> None:
    replica = writer.replica(data=tmp_path / "replica")
    async with alone(writer, replica) as database:
        await database.ready()
        under_way = asyncio.create_task(database.read(SLOW_ON_REPLICAS, tenant=None))
        await until(lambda: database.statistics().pools["replica 1"].at_work == 1, "the read is on the replica")

        await asyncio.to_thread(replica.stop)

        assert (await under_way)[0]["replica"] is False, "the writer answers what the replica could not finish"
        assert await database.read("select 2 as two", tenant=None) == [{"two": 2}]
        assert (database.trouble() or "").startswith("replica 1: ")
        counts = database.statistics()
        assert (counts.replica_reads, counts.writer_reads, counts.failed_over) == (0, 2, 1)
        again = await asyncio.to_thread(lambda: Postgres.start(data=tmp_path / "replica", port=replica.port))
        with again:
            await until(lambda: answered_by_replica(database), "it answers again")
            assert database.trouble() is None


async def test_a_replica_that_hangs_gives_up_what_it_was_asked(writer: Postgres) -> None:
    async with beside(writer, replica_answers="1s") as (replica, database):
        under_way = asyncio.create_task(database.read(SLOW_ON_REPLICAS, tenant=None))
        await until(lambda: database.statistics().pools["replica 1"].at_work == 1, "the read is on the replica")
        held = [psutil.Process(replica.pid), *psutil.Process(replica.pid).children(recursive=True)]
        try:
            for process in held:
                process.suspend()
            assert (await under_way)[0]["replica"] is False
            assert database.trouble() == "replica 1: no answer within 1 s"
        finally:
            for process in held:
                process.resume()
        await until(lambda: database.trouble() is None, "it is heard of again")


async def test_a_replica_whose_answer_comes_as_it_is_stopped_is_stopped_at_once(writer: Postgres) -> None:
    with writer.replica() as replica:
        watched = Replica(
            as_service(replica), name="replica 1", heartbeat_s=600.0, lag_most=1_000_000, writer_position=lambda: 0
        )
        watched.start()
        while watched._asked is None:  # noqa: ASYNC110 (it is, for less than a moment)
            await asyncio.sleep(0)
        asked = "query like 'select pg_last_wal_replay_lsn%' and wait_event = 'ClientRead'"
        while replica.run_sql(f"select count(*) from pg_stat_activity where {asked}") != "1":
            pass  # and nothing else runs meanwhile: the answer is there, and not read
        async with asyncio.timeout(20):
            await watched.stop()
        assert watched.position > 0, "the answer was read"


async def test_a_replica_over_the_lag_limit_leaves_until_it_has_caught_up(writer: Postgres) -> None:
    async with beside(writer, lag_most="1MB") as (replica, database):
        replica.run_sql("select pg_wal_replay_pause()")
        with acting_for("lag"):
            session.set(Session())
            for _ in range(3):
                await database.write(INSERT, ["lag", "x" * 500_000])
        session.set(None)
        # A text of one letter is compressed in the table, not in what a full page is written with; so write what is surely long.
        writer.run_sql("select pg_logical_emit_message(false, 'test', repeat('y', 1500000))")
        await until(lambda: "bytes behind the writer" in (database.trouble() or ""), "it is behind")
        assert "at most 1,000,000 are wanted" in (database.trouble() or "")
        await database.read("select 1", tenant=None)
        counts = database.statistics()
        assert (counts.writer_reads, counts.replica_reads) == (1, 0)

        replica.run_sql("select pg_wal_replay_resume()")

        await until(lambda: answered_by_replica(database), "it has caught up, and answers")
        assert database.trouble() is None


async def test_a_promoted_replica_leaves_and_takes_no_writes(writer: Postgres) -> None:
    made = (
        "create or replace function add_lead() returns table (name text) language sql security definer as"
        " $$insert into leads (tenant, name) values ('promoted', 'kept') returning name$$"
    )
    # A heartbeat that comes late: what happens before anybody knows?
    async with beside(writer, heartbeat="60s") as (replica, database):
        with acting_for("promoted"):
            await database.read(NAMES)
            replica.run_sql("select pg_promote()")
            for server in (writer, replica):
                server.run_sql(made, database="crm")
            sneaky = "with made as (select name from add_lead()) select name from made"
            assert await database.read(sneaky) == [{"name": "kept"}]
        assert database.statistics().unfit == 1, "the replica was asked, and refused"
        count = "select count(*) from leads where tenant = 'promoted'"
        assert replica.run_sql(count, database="crm") == "0"
        assert writer.run_sql(count, database="crm") == "1"
        async with alone(writer, replica) as other:
            await until(lambda: "no replica (any more)" in (other.trouble() or ""), "it is noticed")
            await other.read("select 1", tenant=None)
            assert other.statistics().writer_reads == 1


async def test_a_restart_under_load_loses_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    server = Postgres.start(data=tmp_path / "data")
    server.run_sql("create table kept (id bigint primary key)")
    database = Database(server.dsn, sizes=PoolSizes(write=(4, 4), acquire="20s"))
    acknowledged: list[int] = []
    lost: list[int] = []
    numbers = iter(range(10**9))
    stopping = asyncio.Event()

    async def write_on() -> None:
        while not stopping.is_set():
            number = next(numbers)
            try:
                await database.write("insert into kept values (%s)", [number], tenant=None)
                acknowledged.append(number)
            except PoolExhausted:
                pass  # Nothing was done.
            except psycopg.OperationalError:
                lost.append(number)

    async with database:
        writers = [asyncio.create_task(write_on()) for _ in range(8)]
        await until(lambda: len(acknowledged) > 100, "writes are acknowledged")
        await asyncio.to_thread(server.stop)
        before = len(acknowledged)
        server = await asyncio.to_thread(lambda: Postgres.start(data=tmp_path / "data", port=server.port))
        await until(lambda: len(acknowledged) > before + 100, "they are again, by themselves")
        stopping.set()
        await asyncio.gather(*writers)
        rows = await database.read("select id from kept", tenant=None)
    with server:
        kept = {row["id"] for row in rows}
    assert set(acknowledged) <= kept
    assert len(lost) <= 8, "one for each that was at work: idle connections that were closed are not used"


async def test_idle_connections_that_a_restart_closed_are_replaced_before_they_are_used(tmp_path: Path) -> None:
    server = Postgres.start(data=tmp_path / "data")
    async with Database(server.dsn, sizes=PoolSizes(write=(3, 3), acquire="20s")) as database:
        await asyncio.gather(*(database.write("select pg_sleep(0.01)", tenant=None) for _ in range(3)))
        await asyncio.to_thread(server.stop)
        server = await asyncio.to_thread(lambda: Postgres.start(data=tmp_path / "data", port=server.port))
        with server:
            assert await database.write("select 1 as one", tenant=None) == [{"one": 1}]
            assert database.statistics().pools["writer"].lost >= 1


async def test_a_full_pool_says_so_and_its_queue_has_an_end(writer: Postgres) -> None:
    sizes = PoolSizes(write=(1, 1), acquire="1s", waiting=2)
    async with Database(as_service(writer), sizes=sizes) as database:
        await database.reach_writer(within="20s")
        async with database.transaction(tenant="full"):
            waiting = [asyncio.create_task(database.write("select 1")) for _ in range(2)]
            await until(lambda: database.statistics().pools["writer"].waiting == 2, "two wait")
            with pytest.raises(
                PoolExhausted, match=r"writer: too many requests wait.*: 1 of at most 1 are at work, 2 requests"
            ):
                await database.write("select 1")
            for task in waiting:
                with pytest.raises(PoolExhausted, match=r"no connection was free within \d(\.\d+)? s"):
                    await task
        assert await database.write("select 1 as one") == [{"one": 1}]


async def test_without_its_server_a_pool_says_so() -> None:
    async with Database(
        "postgresql://nobody@127.0.0.1:1/none", sizes=PoolSizes(write=(1, 1), acquire="50ms")
    ) as database:
        await until(database.trouble, "it was tried")
        with pytest.raises(PoolExhausted, match=r"writer: no connection .* connecting fails: .*Connection refused"):
            await database.read("select 1")
        assert "writer: it cannot be connected to: " in (database.trouble() or "")
        with pytest.raises(PoolExhausted) as gone:
            await database.reach_writer(within="10ms")
        assert "Connection refused" in (gone.value.refused or "")


async def test_a_caller_that_goes_away_leaves_a_clean_connection_and_no_work(writer: Postgres) -> None:
    async with Database(as_service(writer), sizes=PoolSizes(write=(1, 1), acquire="10s")) as database:
        with acting_for("gone"):
            await database.write(INSERT, ["gone", "Ann"])
            [before] = await database.read("select pg_backend_pid() as pid", tenant=None)
            for statement in (database.read, database.write):
                task = asyncio.create_task(statement("select pg_sleep(60), * from leads"))
                asleep = f"select count(*) from pg_stat_activity where pid = {before['pid']} and wait_event = 'PgSleep'"
                await until(lambda at=asleep: writer.run_sql(at) == "1", "it is under way")
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task
                [after] = await database.read("select pg_backend_pid() as pid, count(*) from leads", tenant=None)
                assert after == {**before, "count": 0}, "the same connection, and no tenant on it"
        assert writer.run_sql("select count(*) from pg_stat_activity where wait_event = 'PgSleep'") == "0"


async def test_a_statement_over_its_time_is_given_up_and_is_no_fault_of_the_replica(
    writer: Postgres, replicas: list[Postgres]
) -> None:
    async with alone(writer, replicas[0], statement_timeout="300ms") as database:
        await database.ready()
        with pytest.raises(psycopg.errors.QueryCanceled, match="statement timeout"):
            await database.read("select pg_sleep(30)", tenant=None)
        assert database.trouble() is None
        assert database.statistics().failed_over == 0


async def test_without_its_writer_replicas_go_on_answering(tmp_path: Path) -> None:
    server = Postgres.start(data=tmp_path / "data")
    server.run_sql("create table kept as select 1 as one")
    with server.replica() as replica:
        sizes = PoolSizes(write=(1, 1), read=(1, 1), acquire="1s")
        async with Database(server.dsn, replicas=[replica.dsn], sizes=sizes, wait="20s", heartbeat="1s") as database:
            await database.reach_writer(within="20s")
            await database.ready()
            session.set(Session())
            await database.write("insert into kept values (2)", tenant=None)
            assert len(await database.read("select one from kept", tenant=None)) == 2
            await asyncio.to_thread(server.stop)
            assert len(await database.read("select one from kept", tenant=None)) == 2
            assert database.replica_troubles() == []
            with pytest.raises((PoolExhausted, psycopg.OperationalError)):
                await database.write("insert into kept values (3)", tenant=None)
            await until(lambda: "writer: it cannot be connected to" in (database.trouble() or ""), "it is told")
    session.set(None)
