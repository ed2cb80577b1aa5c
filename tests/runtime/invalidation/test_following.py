"""What changes in the database is forgotten by every process's cache, by whichever way changes are told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from psycopg import AsyncConnection

from runtime.invalidation.told import RULES, Told, begin, following
from scaleworthy.errors import InvalidInput, ScaleworthyError, UsageError
from scaleworthy.runtime.cache import Cache, ValkeyLayer
from scaleworthy.runtime.invalidation import NotifyFollower, Rule, SlotFollower
from scaleworthy.runtime.invalidation.pgoutput import Change, Decoder, Relation
from scaleworthy.runtime.invalidation.rules import Rules
from scaleworthy.servers import Postgres, Valkey


async def position(connection: AsyncConnection[Any]) -> int:
    """Return how far the log is written."""
    row = await (await connection.execute("select (pg_current_wal_insert_lsn() - '0/0')::bigint")).fetchone()
    assert row is not None
    return int(row[0])


@pytest.fixture(params=["slot", "notify"])
async def followed(
    request: pytest.FixtureRequest,
    logical: Postgres,
    connection: AsyncConnection[Any],
    name: str,
) -> AsyncIterator[tuple[Any, Told]]:
    told = Told()
    follower: Any = (
        SlotFollower(logical.dsn, told, RULES, slot=name)
        if request.param == "slot"
        else NotifyFollower(logical.dsn, told, RULES, name=name)
    )
    async with following(follower):
        told.said.clear()
        yield follower, told


async def test_each_operation_drops_what_its_rules_say(
    followed: tuple[Any, Told], connection: AsyncConnection[Any]
) -> None:
    follower, told = followed
    steps = [
        ("insert into leads values ('a', 1, 'Ann')", (["tenant:a:lead:1"], ["tenant:a:leads"], False)),
        ("update leads set name = 'Bob'", (["tenant:a:lead:1"], ["tenant:a:leads"], False)),
        (
            "update leads set tenant = 'b'",
            (["tenant:a:lead:1", "tenant:b:lead:1"], ["tenant:a:leads", "tenant:b:leads"], False),
        ),
        ("delete from leads", (["tenant:b:lead:1"], ["tenant:b:leads"], False)),
        ("insert into campaigns values (1, 'x')", ([], ["campaigns"], False)),
        ("truncate campaigns", ([], ["campaigns"], False)),
        ("truncate leads", ([], [], True)),
    ]
    for number, (statement, _) in enumerate(steps, 1):
        await connection.execute("insert into logs select coalesce(max(id), 0) + 1 from logs")
        await connection.execute(statement)
        await told.told(number)
    assert told.said == [expected for _, expected in steps]
    assert follower.trouble() is None
    assert follower.statistics().everything >= 1


async def test_what_is_rolled_back_has_not_changed(
    followed: tuple[Any, Told], connection: AsyncConnection[Any]
) -> None:
    _, told = followed
    with pytest.raises(ZeroDivisionError):  # noqa: PT012 (the block is what is rolled back)
        async with connection.transaction():
            await connection.execute("insert into leads values ('a', 1, 'Ann')")
            _ = 1 / 0
    await connection.execute("insert into campaigns values (1, 'x')")
    await told.told(1)
    assert told.said == [([], ["campaigns"], False)]


async def test_a_transaction_is_told_with_its_position_however_many_rows_it_has(
    logical: Postgres, connection: AsyncConnection[Any], name: str
) -> None:
    told = Told()
    async with following(SlotFollower(logical.dsn, told, RULES, slot=name)):
        async with connection.transaction():
            await connection.execute("insert into leads select 'a', n, 'x' from generate_series(1, 1200) n")
            before = await position(connection)
            await connection.execute("insert into campaigns values (1, 'x')")
        after = await position(connection)
        await told.until(lambda: "campaigns" in told.tags)
    assert len(told.keys) == 1200
    assert all(len(keys) <= 500 for keys, _, _ in told.said)
    assert all(told_at is not None and before < told_at <= after for told_at in told.positions)


async def test_what_changed_while_nobody_followed_is_caught_up(
    logical: Postgres, connection: AsyncConnection[Any], name: str
) -> None:
    told = Told()
    first = SlotFollower(logical.dsn, told, RULES, slot=name)
    await begin(first)
    await first.stop()
    await connection.execute("insert into leads values ('a', 1, 'Ann')")
    second = SlotFollower(logical.dsn, told, RULES, slot=name)
    second.start()
    await told.told(1)
    assert told.said == [(["tenant:a:lead:1"], ["tenant:a:leads"], False)]
    await second.stop()
    await second.drop()


async def test_many_changes_are_told_together_and_a_stop_meanwhile_loses_none(
    logical: Postgres, connection: AsyncConnection[Any], name: str
) -> None:
    gathering, at_once, later = Told(), Told(), Told()
    first = SlotFollower(logical.dsn, gathering, RULES, slot=name, together="600s")
    await begin(first)
    async with following(SlotFollower(logical.dsn, at_once, RULES, slot=f"{name}_too")):
        for number in range(4):
            await connection.execute("insert into leads values ('a', %s, 'Ann')", [number])
            await gathering.told(number + 1)
        await connection.execute("insert into leads values ('a', 4, 'Ann')")
        await connection.execute("insert into leads values ('a', 5, 'Ann')")
        await at_once.until(lambda: "tenant:a:lead:5" in at_once.keys)
    assert gathering.keys == {f"tenant:a:lead:{number}" for number in range(4)}
    await first.stop()
    async with following(SlotFollower(logical.dsn, later, RULES, slot=name)):
        await later.until(lambda: "tenant:a:lead:5" in later.keys)
        assert "tenant:a:lead:4" in later.keys


async def test_one_process_reads_and_the_next_takes_over(
    logical: Postgres, connection: AsyncConnection[Any], name: str
) -> None:
    told = [Told(), Told()]
    first, second = (SlotFollower(logical.dsn, one, RULES, slot=name) for one in told)
    await begin(first)
    second.start()
    await connection.execute("insert into leads values ('a', 1, 'Ann')")
    await told[0].told(1)
    await first.stop()
    await second.reading()
    await connection.execute("insert into leads values ('a', 2, 'Bob')")
    await told[1].until(lambda: "tenant:a:lead:2" in told[1].keys)
    assert told[0].keys == {"tenant:a:lead:1"}
    await second.stop()
    await second.drop()


async def test_a_lost_slot_is_made_anew_and_everything_dropped(
    logical: Postgres, connection: AsyncConnection[Any], name: str
) -> None:
    told = Told()
    follower = SlotFollower(logical.dsn, told, RULES, slot=name)
    await follower.create()
    await connection.execute("select pg_drop_replication_slot(%s)", [name])
    follower.start()
    await told.told(1)
    assert told.said == [([], [], True)]
    await follower.reading()
    await connection.execute("insert into campaigns values (1, 'x')")
    await told.told(2)
    await follower.stop()
    await follower.drop()


async def test_caches_of_all_processes_forget(
    logical: Postgres, connection: AsyncConnection[Any], name: str, valkey: Valkey
) -> None:
    caches = [Cache(valkey=ValkeyLayer(valkey.url, prefix=f"{name}:", budget="5s")) for _ in range(2)]
    for cache in caches:
        await cache.open()
        await cache.listening()

    async def load() -> str:
        return "old"

    async with following(SlotFollower(logical.dsn, caches[0], RULES, slot=name)):
        for cache in caches:
            await cache.get_or_set("tenant:a:lead:1", load)
        heard = caches[1].next_change()
        await connection.execute("insert into leads values ('a', 1, 'Ann')")
        await asyncio.wait_for(heard, 20)
        assert [await cache.get("tenant:a:lead:1") for cache in caches] == [None, None]
    for cache in caches:
        await cache.close()


async def test_rules_that_do_not_fit_are_named_all_at_once(logical: Postgres) -> None:
    rules = [
        Rule("nothing", tags=["x"]),
        Rule("leads", keys=["{colour}:{name}"]),
        Rule("campaigns", keys=["campaign:{name}"], on=["insert"]),
    ]
    with pytest.raises(InvalidInput) as refused:
        await SlotFollower(logical.dsn, Told(), rules).create()
    problems = refused.value.problems
    assert len(problems) == 3
    assert "public.nothing: there is no such table" in problems
    assert "public.leads: there is no column 'colour'" in problems
    assert any("does not show its old name" in problem and "REPLICA IDENTITY FULL" in problem for problem in problems)


def test_rules_that_cannot_be_read_are_named_all_at_once() -> None:
    with pytest.raises(InvalidInput) as refused:
        Rules([Rule("leads", keys=["lead:{}", "lead:{id"]), Rule("leads", tags=["x"], on=["vanish"])])  # type: ignore[list-item]
    problems = refused.value.problems
    assert problems[0] == "leads: 'lead:{}': braces without a column"
    assert problems[1].startswith("leads: 'lead:{id': ")
    assert problems[2].startswith("leads: no operation 'vanish'")


async def test_a_server_that_does_not_decode_says_what_to_set(database: str) -> None:
    with pytest.raises(UsageError, match="wal_level is replica"):
        await SlotFollower(database, Told(), RULES).create()


def test_a_value_that_did_not_change_and_was_not_sent_is_taken_from_neither() -> None:
    relation = Relation("public.leads", ("tenant", "id"))
    rules = Rules([Rule("leads", keys=["{tenant}:{id}"])])
    change = Change(relation, "update", {"tenant": "a", "id": "1"}, {"tenant": "b", "id": "1"})
    assert rules.drop([change]).keys == {"a:1", "b:1"}


@pytest.mark.parametrize(
    "message", [b"I\x00\x00\x00\x01N\x00\x01t", b"B\x00", b"R\x00\x00\x00\x01abc", b"D\x00\x00\x00\x09K"]
)
def test_half_a_message_is_refused(message: bytes) -> None:
    with pytest.raises(ScaleworthyError, match="cannot be read"):
        Decoder().decode(message)
