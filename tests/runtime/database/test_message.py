"""Statements in one message: places, preparing, what fails and what is left of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest
from psycopg.types.json import Jsonb

from runtime.database.conftest import as_service
from scaleworthy.runtime.database import Database, PoolSizes, Statement
from scaleworthy.runtime.database.connection import MessageConnection
from scaleworthy.runtime.database.placeholders import in_order, numbered
from scaleworthy.servers import Postgres


@pytest.fixture
async def connection(writer: Postgres) -> AsyncIterator[MessageConnection]:
    async with await MessageConnection.connect(writer.dsn_for("crm"), autocommit=True) as made:
        yield made


async def prepared(connection: MessageConnection) -> set[str]:
    rows = await (await connection.execute("select statement from pg_prepared_statements")).fetchall()
    return {row[0] for row in rows}


@pytest.mark.parametrize(
    ("text", "made", "order"),
    [
        ("select 1", b"select 1", 0),
        ("select %s, %s", b"select $1, $2", 2),
        ("select %(b)s, %(a)s, %(b)s", b"select $1, $2, $1", ("b", "a")),
        ("select 5 %% 3 where a like 'x%%' and b = %s", b"select 5 % 3 where a like 'x%' and b = $1", 1),
    ],
)
def test_places_are_numbered(text: str, made: bytes, order: Any) -> None:
    assert numbered(text) == (made, order)


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("select %s, %(a)s", [1]),
        ("select %d", [1]),
        ("select 1 %", [1]),
        ("select %s", []),
        ("select %s", {"a": 1}),
        ("select %(a)s", [1]),
        ("select %(a)s", {"b": 1}),
    ],
)
def test_places_and_values_that_do_not_fit_are_refused(text: str, values: Any) -> None:
    with pytest.raises(psycopg.ProgrammingError):
        in_order(numbered(text)[1], values)


VALUES = [
    (7, "int4"),
    (2**40, "int8"),
    (None, "text"),
    ("ké ' \\ %", "text"),
    (b"\x00\xff", "bytea"),
    (1.5, "float8"),
    (True, "bool"),
    (datetime(2026, 11, 1, tzinfo=UTC), "timestamptz"),
    ([1, 2, 3], "int4[]"),
    (["a", None], "text[]"),
]


@pytest.mark.parametrize("prepare", [True, False], ids=["prepared", "not prepared"])
async def test_values_come_back_as_they_went(connection: MessageConnection, prepare: bool) -> None:
    connection.messages.prepares &= prepare
    for _ in range(3):
        for value, kind in VALUES:
            assert await connection.run([Statement(f"select %s::{kind} as v", [value])]) == [[{"v": value}]]
        [[row]] = await connection.run([Statement("select %s as v", [Jsonb({"a": [1]})])])
        assert row == {"v": {"a": [1]}}
    assert len(await prepared(connection)) == (len({kind for _, kind in VALUES}) + 1 if prepare else 0)


async def test_a_statement_is_prepared_the_second_time_and_the_least_used_is_dropped(
    connection: MessageConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("scaleworthy.runtime.database.message._PREPARED_MOST", 3)
    await connection.run([Statement("select 1 as a")])
    assert await prepared(connection) == set()
    await connection.run([Statement("select 1 as a")])
    assert await prepared(connection) == {"select 1 as a"}
    for number in range(3):
        assert await connection.run([Statement(f"select {number}"), Statement("select 1 as a")])
    assert await prepared(connection) == {"select 1 as a"}
    for number in range(2):
        await connection.run([Statement(f"select {number}"), Statement(f"select {number}")])
    await connection.run([Statement("select 7")])
    await connection.run([Statement("select 7")])
    assert "select 1 as a" not in await prepared(connection)
    assert len(await prepared(connection)) <= 3


async def test_a_table_that_changes_under_a_prepared_statement_is_read_as_it_is_now(
    connection: MessageConnection,
) -> None:
    await connection.execute("create table changing as select 1 as a")
    for _ in range(3):
        assert await connection.run([Statement("select * from changing")]) == [[{"a": 1}]]
    await connection.execute("alter table changing add b text default 'new'")
    assert await connection.run([Statement("select * from changing")]) == [[{"a": 1, "b": "new"}]]
    await connection.execute("drop table changing")


async def test_what_was_prepared_and_is_gone_is_prepared_anew(connection: MessageConnection) -> None:
    insert = [Statement("insert into kept_once values (%s)", [1])]
    await connection.execute("create table kept_once (a int)")
    for _ in range(2):
        await connection.run(insert)
    await connection.execute("deallocate all")
    await connection.run(insert, then=Statement("select 1"))
    assert await connection.run([Statement("select count(*) as n from kept_once")]) == [[{"n": 3}]]
    await connection.execute("drop table kept_once")


async def test_nothing_is_left_of_a_transaction_that_fails_at_its_very_end(connection: MessageConnection) -> None:
    await connection.execute("create table named (name text unique deferrable initially deferred)")
    insert = Statement("insert into named values (%s) returning name", ["Ann"])
    for _ in range(3):
        with pytest.raises(psycopg.errors.UniqueViolation):
            await connection.run([insert, insert])
        with pytest.raises(psycopg.errors.UniqueViolation):
            await connection.run([insert, insert], then=Statement("select 1"))
    assert await connection.run([Statement("select * from named")]) == [[]]
    assert await connection.run([insert], then=Statement("select 1 as one")) == [[{"name": "Ann"}], [{"one": 1}]]
    await connection.execute("drop table named")


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("select 1; select 2", psycopg.errors.SyntaxError),
        ("copy leads to stdout", psycopg.Error),
        ("copy leads from stdin", psycopg.Error),
        ("select 'a'::int", psycopg.errors.InvalidTextRepresentation),
    ],
)
async def test_a_pool_survives_what_a_message_cannot_hold(writer: Postgres, text: str, error: type[Exception]) -> None:
    async with Database(as_service(writer), sizes=PoolSizes(write=(1, 1), acquire="5s")) as database:
        for _ in range(3):
            with pytest.raises(error):
                await database.write(text)
            assert await database.write("select 1 as one") == [{"one": 1}]


async def test_a_transaction_that_swallowed_a_failed_statement_is_not_called_committed(writer: Postgres) -> None:
    async with Database(as_service(writer), sizes=PoolSizes(write=(1, 1))) as database:
        with pytest.raises(psycopg.errors.InFailedSqlTransaction):  # noqa: PT012 (the block is what is not kept)
            async with database.transaction(tenant="swallowed") as connection:
                await connection.execute("insert into leads (tenant, name) values ('swallowed', 'Ann')")
                with pytest.raises(psycopg.errors.DivisionByZero):
                    await connection.execute("select 1/0")
        assert await database.read("select count(*) from leads", tenant="swallowed") == [{"count": 0}]


async def test_a_large_message_and_a_large_answer_pass(writer: Postgres) -> None:
    async with Database(as_service(writer), sizes=PoolSizes(write=(1, 1))) as database:
        text = "x" * 5_000_000
        [[row], rows] = await database.read_all(
            [Statement("select %s as v", [text]), Statement("select generate_series(1, 50000) as n")]
        )
        assert row["v"] == text
        assert len(rows) == 50_000
