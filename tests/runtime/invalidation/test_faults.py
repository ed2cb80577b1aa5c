"""What breaks while changes are followed: servers that go, a reader that is killed, a slot that is lost, tables that change."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import AsyncConnection

from runtime.invalidation import holder
from runtime.invalidation.told import RULES, TABLES, Told, begin, following
from scaleworthy.errors import InvalidInput
from scaleworthy.runtime.cache import Cache, ValkeyLayer
from scaleworthy.runtime.invalidation import NotifyFollower, Rule, SlotFollower
from scaleworthy.runtime.lsn import reading
from scaleworthy.servers import Postgres, Valkey
from waiting import until


async def test_what_changes_around_a_restart_of_the_database_is_told(tmp_path: Path) -> None:
    server, told = Postgres.start(settings={"wal_level": "logical"}, data=tmp_path / "data"), Told()
    server.run_sql(TABLES)
    follower = SlotFollower(server.dsn, told, RULES, every="20ms")
    await begin(follower)
    server.run_sql("insert into leads values ('a', 1, 'Ann')")
    await asyncio.to_thread(server.stop)

    async def complains() -> bool:
        return follower.trouble() is not None

    await until(complains, "it says that it is cut off")
    again = Postgres.start(settings={"wal_level": "logical"}, data=tmp_path / "data", port=server.port)
    again.run_sql("insert into leads values ('a', 2, 'Bob')")
    await told.until(lambda: {"tenant:a:lead:1", "tenant:a:lead:2"} <= told.keys)
    assert follower.trouble() is None
    assert not any(everything for _, _, everything in told.said)
    await follower.stop()
    again.stop()


async def test_when_the_reader_is_killed_another_takes_over_and_nothing_is_missed(
    logical: Postgres, connection: AsyncConnection[Any], name: str, valkey: Valkey
) -> None:
    async with Cache(valkey=ValkeyLayer(valkey.url, prefix=f"{name}:", budget="5s")) as cache:
        await cache.listening()
        follower = SlotFollower(logical.dsn, cache, RULES, slot=name, every="20ms")
        await follower.create()
        path = os.pathsep.join([str(Path(__file__).parents[2]), *sys.path])
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            holder.__name__,
            *(logical.dsn, valkey.url, name),
            stdout=asyncio.subprocess.PIPE,
            env=os.environ | {"PYTHONPATH": path},
        )
        assert process.stdout is not None
        assert await asyncio.wait_for(process.stdout.readline(), 20) == b"reads\n"
        follower.start()

        async def load() -> str:
            return "old"

        keys = [f"tenant:a:lead:{number}" for number in range(100)]
        for key in keys:
            await cache.get_or_set(key, load)
        for number in range(100):
            await connection.execute("insert into leads values ('a', %s, 'Ann')", [number])
            if number == 50:
                process.kill()
        await asyncio.wait_for(follower.reading(), 20)

        async def all_forgotten() -> bool:
            return [await cache.get(key) for key in keys] == [None] * 100

        await until(all_forgotten, "every memory layer has forgotten")
        await process.wait()
        assert follower.statistics().everything == 0
        await follower.stop()
        await follower.drop()


async def test_what_a_frozen_valkey_was_not_told_is_made_good_when_it_answers(
    logical: Postgres, connection: AsyncConnection[Any], name: str
) -> None:
    with Valkey.start() as own:
        caches = [Cache(valkey=ValkeyLayer(own.url, prefix=f"{name}:", budget="100ms")) for _ in range(2)]
        for cache in caches:
            await cache.open()
            await cache.listening()

        async def load() -> str:
            return "old"

        async with following(SlotFollower(logical.dsn, caches[0], RULES, slot=name, every="20ms")) as follower:
            for cache in caches:
                await cache.get_or_set("tenant:a:lead:1", load)
            os.kill(own.pid, signal.SIGSTOP)
            await connection.execute("insert into leads values ('a', 1, 'Ann')")

            async def owes() -> bool:
                return "could not be told" in (follower.trouble() or "")

            await until(owes, "it could not be told")
            os.kill(own.pid, signal.SIGCONT)

            async def all_forgotten() -> bool:
                return [await cache.get("tenant:a:lead:1") for cache in caches] == [None, None]

            await until(all_forgotten, "every memory layer has forgotten")

            async def serves() -> bool:
                return follower.trouble() is None

            await until(serves, "it serves again")
            assert follower.statistics().everything >= 1
        for cache in caches:
            await cache.close()


async def test_what_could_not_be_told_is_told_to_who_reads_next(
    logical: Postgres, connection: AsyncConnection[Any], name: str
) -> None:
    deaf, told = Told(lambda: False), Told()
    first = SlotFollower(logical.dsn, deaf, RULES, slot=name)
    await begin(first)
    await connection.execute("insert into leads values ('a', 1, 'Ann')")
    await deaf.told(1)
    await first.stop()
    second = SlotFollower(logical.dsn, told, RULES, slot=name)
    second.start()
    await told.told(1)
    assert told.said[0] == (["tenant:a:lead:1"], ["tenant:a:leads"], False)
    await second.stop()
    await second.drop()


async def test_who_does_not_hear_forgets_what_it_knows(valkey: Valkey, name: str) -> None:
    async with Cache(valkey=ValkeyLayer(valkey.url, prefix=f"{name}:", budget="5s")) as cache:
        await cache.listening()

        async def load() -> str:
            return "value"

        await cache.get_or_set("a", load)
        import redis.asyncio as redis

        async with redis.from_url(valkey.url) as client:
            await client.delete(f"{name}:e:a")
            assert await cache.get("a") == "value"
            await client.execute_command("CLIENT", "KILL", "TYPE", "pubsub")

        async def forgotten() -> bool:
            return await cache.get("a") is None

        await until(forgotten, "it is forgotten")


async def test_a_slot_that_is_too_far_behind_is_made_anew(
    logical: Postgres, connection: AsyncConnection[Any], name: str
) -> None:
    told = Told()
    follower = SlotFollower(logical.dsn, told, RULES, slot=name, lag_most="64KB", every="20ms")
    await follower.create()
    await connection.execute("insert into leads select 'a', n, repeat('x', 100) from generate_series(1, 2000) n")
    follower.start()
    await told.told(1)
    assert told.said[0] == ([], [], True)
    await follower.reading()
    assert not told.keys, "what the old slot had is not told"
    await connection.execute("insert into campaigns values (1, 'x')")
    await told.until(lambda: "campaigns" in told.tags)
    assert follower.trouble() is None
    await follower.stop()
    await follower.drop()


async def test_a_publication_that_is_dropped_is_made_again_and_everything_dropped(
    logical: Postgres, connection: AsyncConnection[Any], name: str
) -> None:
    told = Told()
    async with following(SlotFollower(logical.dsn, told, RULES, slot=name, every="20ms")) as follower:
        await connection.execute(f'drop publication "{name}"'.encode())
        await connection.execute("insert into leads values ('a', 1, 'Ann')")
        await told.until(lambda: any(everything for _, _, everything in told.said))
        await connection.execute("insert into leads values ('a', 2, 'Bob')")
        await told.until(lambda: "tenant:a:lead:2" in told.keys)
        assert follower.trouble() is None


async def test_another_databases_slot_is_left_alone(logical: Postgres, name: str) -> None:
    other = logical.create_database(name)
    logical.run_sql(TABLES, database=name)
    logical.run_sql(f"select pg_create_logical_replication_slot('{name}', 'pgoutput')")
    follower = SlotFollower(other, Told(), RULES, slot=name, every="20ms")
    follower.start()

    async def says_so() -> bool:
        return "already exists" in (follower.trouble() or "")

    await until(says_so, "it says so")
    await follower.stop()
    await follower.drop()
    slots = f"select database from pg_replication_slots where slot_name = '{name}'"
    assert logical.run_sql(slots) == "postgres"
    logical.run_sql(f"select pg_drop_replication_slot('{name}')")


async def test_a_load_from_a_replica_that_is_behind_is_not_kept(
    logical: Postgres, connection: AsyncConnection[Any], name: str, valkey: Valkey
) -> None:
    await connection.execute("insert into leads values ('a', 1, 'old')")
    with logical.replica(settings={"wal_retrieve_retry_interval": "50ms"}) as replica:
        async with (
            Cache(valkey=ValkeyLayer(valkey.url, prefix=f"{name}:", budget="5s")) as cache,
            await psycopg.AsyncConnection.connect(replica.dsn, autocommit=True) as reads,
            following(SlotFollower(logical.dsn, cache, RULES, slot=name, every="20ms")) as follower,
        ):

            async def load() -> str:
                cursor = await reads.execute("select name, (pg_last_wal_replay_lsn() - '0/0')::bigint from leads")
                row = await cursor.fetchone()
                assert row is not None
                noted = reading.get()
                assert noted is not None
                noted.note(row[1])
                return str(row[0])

            async def sees(value: str) -> bool:
                row = await (await reads.execute("select name from leads")).fetchone()
                return row == (value,)

            async def told_once() -> bool:
                return follower.statistics().keys >= 1

            await until(lambda: sees("old"), "the old value is seen")
            await reads.execute("select pg_wal_replay_pause()")
            await connection.execute("update leads set name = 'new'")
            await until(told_once, "it is told once")
            assert await cache.get_or_set("tenant:a:lead:1", load) == "old"
            await cache.settle()
            assert await cache.get("tenant:a:lead:1") is None, "what began after the change, but read before it"
            await reads.execute("select pg_wal_replay_resume()")
            await until(lambda: sees("new"), "the new value is seen")
            assert await cache.get_or_set("tenant:a:lead:1", load) == "new"
            await cache.settle()
            assert await cache.get("tenant:a:lead:1") == "new"


async def test_a_column_may_come_while_it_is_followed_and_one_that_goes_drops_everything(
    logical: Postgres, connection: AsyncConnection[Any], name: str
) -> None:
    told = Told()
    await connection.execute("drop table if exists things; create table things (id int primary key, owner text)")
    await connection.execute("alter table things replica identity full")
    rules = [Rule("things", keys=["{owner}:{id}"])]
    async with following(SlotFollower(logical.dsn, told, rules, slot=name, every="20ms")) as follower:
        await connection.execute("insert into things values (1, 'a')")
        await connection.execute("alter table things add column colour text default 'red'")
        await connection.execute("insert into things values (2, 'b', 'blue')")
        await told.until(lambda: told.keys == {"a:1", "b:2"})
        await connection.execute("alter table things rename column owner to holder")
        await connection.execute("insert into things values (3, 'c')")
        await told.until(lambda: told.said[-1] == ([], [], True))
        assert "public.things.owner" in (follower.trouble() or "")


async def test_a_table_that_is_made_anew_is_followed_again(
    logical: Postgres, connection: AsyncConnection[Any], name: str
) -> None:
    told = Told()
    await connection.execute("drop table if exists things; create table things (id int primary key)")
    rules = [Rule("things", keys=["{id}"])]
    async with following(SlotFollower(logical.dsn, told, rules, slot=name, every="20ms")) as follower:
        await connection.execute("drop table things; create table things (id int primary key)")
        await told.until(lambda: any(everything for _, _, everything in told.said))
        await connection.execute("insert into things values (7)")
        await told.until(lambda: "7" in told.keys)
        assert follower.trouble() is None


async def test_a_table_that_is_gone_for_a_while_is_told_until_it_is_followed_again(
    logical: Postgres, connection: AsyncConnection[Any], name: str
) -> None:
    told = Told()
    await connection.execute("drop table if exists things; create table things (id int primary key)")
    rules = [Rule("things", keys=["{id}"]), Rule("leads", tags=["leads"])]
    async with following(SlotFollower(logical.dsn, told, rules, slot=name, every="20ms")) as follower:
        for publish in ("select 1", f'alter publication "{name}" add table things'):
            await connection.execute("drop table things")
            await until(lambda: "changes of public.things are not followed" in (follower.trouble() or ""), "it says so")
            assert not any(everything for _, _, everything in told.said)
            async with connection.transaction():
                await connection.execute("create table things (id int primary key)")
                await connection.execute(publish.encode())
            await told.until(lambda: any(everything for _, _, everything in told.said))
            assert follower.trouble() is None
            told.said.clear()
        await connection.execute("insert into things values (7)")
        await told.until(lambda: "7" in told.keys)


async def test_tables_that_the_log_would_not_tell_of_are_refused_before_anything_is_made(
    logical: Postgres, connection: AsyncConnection[Any], name: str
) -> None:
    await connection.execute("create table keyless (id int); create unlogged table unlogged (id int primary key)")
    rules = [Rule("keyless", tags=["x"]), Rule("unlogged", tags=["x"])]
    follower = SlotFollower(logical.dsn, Told(), rules, slot=name)
    with pytest.raises(InvalidInput) as refused:
        await follower.create()
    assert "public.keyless: the table has no primary key" in refused.value.problems[0]
    assert "public.unlogged: the table is unlogged" in refused.value.problems[1]
    row = await (await connection.execute("select count(*) from pg_publication where pubname = %s", [name])).fetchone()
    assert row == (0,)
    await connection.execute("insert into keyless values (1); update keyless set id = 2")
    inserts = SlotFollower(logical.dsn, Told(), [Rule("keyless", keys=["{id}"], on=["insert"])], slot=name)
    await inserts.create()
    await connection.execute("update keyless set id = 3; drop table keyless, unlogged")
    await inserts.drop()


async def test_more_than_a_message_holds_drops_everything_and_fails_no_write(
    logical: Postgres, connection: AsyncConnection[Any], name: str
) -> None:
    told = Told()
    async with following(NotifyFollower(logical.dsn, told, RULES, name=name, every="20ms")):
        told.said.clear()
        await connection.execute("insert into leads select 'a', n, 'x' from generate_series(1, 100) n")
        await told.told(1)
        await connection.execute("insert into leads select 'b', n, 'x' from generate_series(1, 101) n")
        await told.told(2)
        await connection.execute("insert into leads values (repeat('c', 9000), 1, 'x')")
        await told.told(3)
        assert [(len(keys), everything) for keys, _, everything in told.said] == [(100, False), (0, True), (0, True)]
    rows = await (
        await connection.execute("select proname from pg_proc where starts_with(proname, %s)", [name])
    ).fetchall()
    assert rows == []


async def test_a_listener_that_was_cut_off_drops_everything_and_listens_again(
    logical: Postgres, connection: AsyncConnection[Any], name: str
) -> None:
    told = [Told(), Told()]
    first, second = (NotifyFollower(logical.dsn, one, RULES, name=name, every="20ms") for one in told)
    async with following(first):
        second.start()
        await connection.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity where query = %s", [f'listen "{name}"']
        )
        # Either of them may be the first to listen again.
        await until(lambda: sum(len(one.said) for one in told) >= 2, "one listens again")
        assert [everything for one in told for _, _, everything in one.said] == [True, True]
        await connection.execute("insert into campaigns values (1, 'x')")
        await until(lambda: any("campaigns" in one.tags for one in told), "it is told")
        await until(lambda: (first.trouble(), second.trouble()) == (None, None), "both are well")
        await second.stop()


async def test_what_others_say_on_the_channel_ends_nothing(
    logical: Postgres, connection: AsyncConnection[Any], name: str
) -> None:
    told = Told()
    async with following(NotifyFollower(logical.dsn, told, RULES, name=name, every="20ms")) as follower:
        await connection.execute(f"notify {name}, 'hello'".encode())
        await told.until(lambda: len(told.said) >= 2)
        assert told.said[-1] == ([], [], True), "what it did not understand may have been a change"
        await connection.execute("insert into campaigns values (1, 'x')")
        await told.until(lambda: "campaigns" in told.tags)
        await until(lambda: follower.trouble() is None, "it is well")


async def test_what_a_cache_raised_at_is_told_again(
    logical: Postgres, connection: AsyncConnection[Any], name: str
) -> None:
    raises = iter([True])
    told = Told(lambda: not next(raises, False) or 1 / 0 > 0)
    async with following(SlotFollower(logical.dsn, told, RULES, slot=name, every="20ms")) as follower:
        await connection.execute("insert into leads values ('a', 1, 'Ann')")
        await told.told(2)
        assert told.said == [(["tenant:a:lead:1"], ["tenant:a:leads"], False)] * 2
        await until(lambda: follower.trouble() is None, "it is well")
