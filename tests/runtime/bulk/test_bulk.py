"""Good rows are in, each bad one has its reason, by whichever way they go in."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import psycopg
import pytest
from psycopg import AsyncConnection
from psycopg.types.json import Json

from runtime.bulk.made import OWN, column, note
from scaleworthy.errors import InvalidInput
from scaleworthy.runtime.bulk import OnConflict, bulk_create, bulk_update


async def test_bad_rows_are_named_with_their_reason_and_the_rest_is_in(connection: AsyncConnection[Any]) -> None:
    rows = [note(number) for number in range(100)]
    rows[3]["score"] = -1
    rows[7]["code"] = "c6"
    rows[50]["person"] = 99
    rows[99]["score"] = "many"
    outcome = await bulk_create(connection, "notes", rows, batch=30)
    assert outcome.successful == 96
    assert [failure.index for failure in outcome.failures] == [3, 7, 50, 99]
    assert [failure.code for failure in outcome.failures] == ["23514", "23505", "23503", "22P02"]
    assert "violates check constraint" in outcome.failures[0].reason
    assert "Key (code)=(c6) already exists" in outcome.failures[1].reason
    expected = sorted(number for number in range(100) if number not in (3, 7, 50, 99))
    assert await column(connection, "select score from notes order by score") == expected


async def test_all_or_nothing_is_nothing_where_one_is_bad(connection: AsyncConnection[Any]) -> None:
    rows = [note(number) for number in range(10)]
    rows[4]["score"] = -1
    outcome = await bulk_create(connection, "notes", rows, partial="all-or-nothing")
    assert (outcome.successful, [failure.index for failure in outcome.failures]) == (0, [4])
    assert await column(connection, "select count(*) from notes") == [0]


@pytest.mark.parametrize(("update", "scores"), [((), [1, 2]), (None, [10, 2]), (("tags",), [1, 2])])
async def test_a_row_that_is_there_is_left_or_changed(
    connection: AsyncConnection[Any], update: Any, scores: list[int]
) -> None:
    await bulk_create(connection, "notes", [note(1)])
    outcome = await bulk_create(
        connection,
        "notes",
        [note(1, score=10, tags=["new"]), note(2)],
        on_conflict=OnConflict(["code"], update),
    )
    assert outcome.failures == []
    assert outcome.successful == (1 if update == () else 2)
    assert await column(connection, "select score from notes order by code") == scores
    assert (await column(connection, "select tags from notes order by code"))[0] == (["a"] if update == () else ["new"])


async def test_within_a_transaction_of_the_callers_it_is_the_callers(connection: AsyncConnection[Any]) -> None:
    with pytest.raises(ZeroDivisionError):  # noqa: PT012 (the block is what is rolled back)
        async with connection.transaction():
            assert (await bulk_create(connection, "notes", [note(1), note(1)])).successful == 1
            _ = 1 / 0
    assert await column(connection, "select count(*) from notes") == [0]


async def test_what_no_row_is_to_blame_for_is_raised(connection: AsyncConnection[Any]) -> None:
    with pytest.raises(InvalidInput, match="nothing: there is no such table"):
        await bulk_create(connection, "nothing", [{"a": 1}])
    with pytest.raises(InvalidInput) as refused:
        await bulk_create(connection, "notes", [{"colour": 1, "size": 2}])
    assert refused.value.problems == ("notes: there is no column 'colour'", "notes: there is no column 'size'")
    with pytest.raises(InvalidInput, match="row 1: without score and with colour, unlike row 0"):
        await bulk_create(connection, "notes", [{"code": "a", "score": 1}, {"code": "b", "colour": 1}])
    assert (await bulk_create(connection, "notes", [])).successful == 0


async def test_rows_are_changed_by_their_key_and_missing_ones_named(connection: AsyncConnection[Any]) -> None:
    await bulk_create(connection, "notes", [note(number) | {"id": number} for number in range(10)])
    changes: list[dict[str, Any]] = [{"id": number, "score": number * 10} for number in range(12)]
    changes[4]["score"] = -1
    changes.append({"id": 0, "score": 7})
    outcome = await bulk_update(connection, "notes", changes)
    assert outcome.successful == 9
    assert [(failure.index, failure.code) for failure in outcome.failures] == [
        (0, "21000"),
        (4, "23514"),
        (10, "02000"),
        (11, "02000"),
    ]
    assert await column(connection, "select score from notes order by id") == [7, 10, 20, 30, 4, 50, 60, 70, 80, 90]


DEEP = "[" * 100_000 + "]" * 100_000
# What breaks each kind of constraint and type, and PostgreSQL's code of the error.
BAD = {
    "unique": ({"code": "c0"}, "23505"),
    "foreign key": ({"person": 99}, "23503"),
    "check": ({"score": -1}, "23514"),
    "not null": ({"needed": None}, "23502"),
    "type": ({"score": "many"}, "22P02"),
    "overflow": ({"score": 2**40}, "22003"),
    "too many digits": ({"score": 10**5_000}, "22021"),
    "too long": ({"short": "sixsix"}, "22001"),
    "NUL": ({"needed": "a\0b"}, "22021"),
    "half a surrogate": ({"needed": "a\ud800b"}, "22021"),
    "no such type": ({"needed": object()}, "22021"),
    "JSON": ({"about": "{"}, "22P02"),
    "deep JSON": ({"about": DEEP}, "54001"),
    "an endless list": ({"about": Json(object)}, "22021"),
    "NUL in JSON": ({"about": '"\\u0000"'}, "22P05"),
}
WAYS = {"few": 20, "many": 300}


@pytest.mark.parametrize("many", WAYS.values(), ids=WAYS)
async def test_a_row_that_breaks_a_rule_fails_alone_whichever_rule(connection: AsyncConnection[Any], many: int) -> None:
    rows = [note(number, needed="x", short="short", about="{}") for number in range(many)]
    for place, (changed, _) in enumerate(BAD.values(), 1):
        rows[place] |= changed
    outcome = await bulk_create(connection, "notes", rows)
    assert [failure.index for failure in outcome.failures] == list(range(1, len(BAD) + 1))
    assert {name: failure.code for name, failure in zip(BAD, outcome.failures, strict=True)} == {
        name: code for name, (_, code) in BAD.items()
    }
    assert all(failure.reason for failure in outcome.failures)
    assert outcome.successful == many - len(BAD) == (await column(connection, "select count(*) from notes"))[0]


@pytest.mark.parametrize("many", WAYS.values(), ids=WAYS)
async def test_values_come_back_as_they_went_in(connection: AsyncConnection[Any], many: int) -> None:
    kinds = "a text, b bigint, c float8, d timestamptz, e bool, f uuid, g bytea, h numeric, i text[], j jsonb, k bpchar"
    await connection.execute(f"drop table if exists kinds; create table kinds ({kinds})".encode())
    at = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
    texts = ['"', "\\", "a,b", "{}", "", "NULL", "\t\n", "é漢😀", None]
    rows = [
        {
            "a": texts[n % len(texts)],
            "b": n - 10,
            "c": n / 7,
            "d": at,
            "e": n % 2 == 0,
            "f": UUID(int=n),
            "g": b"\x00\xff\\",
            "h": Decimal(n) / 8,
            "i": texts,
            "j": Json({"a": texts}),
            "k": "abc  ",
        }
        for n in range(many)
    ]
    assert (await bulk_create(connection, "kinds", rows)).successful == many
    came = await (await connection.execute("select * from kinds order by b")).fetchall()
    for row, back in zip(rows, came, strict=True):
        assert back[:9] == tuple(row.values())[:9]
        assert back[9] == {"a": texts}
    plain = [{name: row[name] for name in "abcdfg"} for row in rows]
    await connection.execute("truncate kinds")
    assert (await bulk_create(connection, "kinds", plain)).successful == many
    came = await (await connection.execute("select a, b, c, d, f, g from kinds order by b")).fetchall()
    assert came == [tuple(row.values()) for row in plain]


async def test_text_that_is_a_number_goes_in_as_one(connection: AsyncConnection[Any]) -> None:
    """Binary COPY refuses it, text takes it."""
    outcome = await bulk_create(
        connection, "notes", [{"id": str(number), "code": f"c{number}"} for number in range(300)]
    )
    assert (outcome.successful, outcome.failures) == (300, [])


@pytest.mark.parametrize("bad", [0, 1], ids=["all good", "a bad row"])
@pytest.mark.parametrize("many", WAYS.values(), ids=WAYS)
async def test_row_level_security_holds_for_each_row(
    database: str, connection: AsyncConnection[Any], many: int, bad: int
) -> None:
    """COPY into such a table is refused by PostgreSQL; here it goes by another way."""
    await connection.execute(OWN)
    async with await AsyncConnection.connect(database.replace("postgres@", "writer@")) as writing:
        await writing.execute("select set_config('app.current_tenant', 'one', true)")
        rows = [{"tenant": "one", "text": f"t{n}"} for n in range(many)]
        if bad:
            rows[7]["tenant"] = "two"
            rows[9]["text"] = "a\0b"
        outcome = await bulk_create(writing, "own_notes", rows)
        assert [(failure.index, failure.code) for failure in outcome.failures] == [(7, "42501"), (9, "22021")][
            : 2 * bad
        ]
        assert outcome.successful == many - 2 * bad


async def test_a_missing_privilege_is_no_rows_fault(database: str, connection: AsyncConnection[Any]) -> None:
    await connection.execute(OWN)
    async with await AsyncConnection.connect(database.replace("postgres@", "writer@"), autocommit=True) as writing:
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            await bulk_create(writing, "people", [{"id": n} for n in range(10, 20)])


async def test_a_constraint_that_is_checked_at_commit_names_its_row_too(connection: AsyncConnection[Any]) -> None:
    await connection.execute("alter table notes alter constraint notes_person_fkey deferrable initially deferred")
    rows = [note(number) for number in range(250)]
    rows[200]["person"] = 99
    outcome = await bulk_create(connection, "notes", rows)
    assert [(failure.index, failure.code) for failure in outcome.failures] == [(200, "23503")]
    assert outcome.successful == 249


async def test_rows_left_as_they_were_are_counted(connection: AsyncConnection[Any]) -> None:
    rows = [note(number) for number in range(300)]
    await bulk_create(connection, "notes", rows[:100])
    rows[250]["score"] = -1
    outcome = await bulk_create(connection, "notes", rows, on_conflict=OnConflict(["code"]))
    assert (outcome.successful, outcome.unchanged, [f.index for f in outcome.failures]) == (199, 100, [250])


async def test_an_error_of_the_server_takes_all_back(connection: AsyncConnection[Any]) -> None:
    await connection.execute("""
        create function dawdle() returns trigger language plpgsql as 'begin perform pg_sleep(10); return new; end';
        create trigger dawdle before insert on notes for each row when (new.score = 5) execute function dawdle()
    """)
    await connection.execute("set statement_timeout = '50ms'")
    with pytest.raises(psycopg.errors.QueryCanceled):
        await bulk_create(connection, "notes", [note(number) for number in range(10)])
    await connection.execute("set statement_timeout = 0")
    await connection.execute("drop function dawdle cascade")
    assert await column(connection, "select count(*) from notes") == [0]


async def test_changes_go_by_the_columns_types(connection: AsyncConnection[Any]) -> None:
    await bulk_create(connection, "notes", [note(number) | {"id": number} for number in range(3)])
    changes = [
        {"id": 0, "tags": ["x", "y"], "short": "abc", "about": Json([1])},
        {"id": 1, "tags": None, "short": "sixsix", "about": None},
        {"id": 2, "tags": [], "short": "nul\0", "about": None},
    ]
    huge = await bulk_update(connection, "notes", [{"id": 0, "score": 10**5_000}, {"id": 1, "score": 5}])
    assert [(failure.index, failure.code) for failure in huge.failures] == [(0, "22021")]
    outcome = await bulk_update(connection, "notes", changes)
    assert [(failure.index, failure.code) for failure in outcome.failures] == [(1, "22001"), (2, "22021")]
    assert await (await connection.execute("select tags, short, about from notes where id = 0")).fetchone() == (
        ["x", "y"],
        "abc",
        [1],
    )


def test_without_its_libraries_it_says_what_to_install() -> None:
    code = "import sys; sys.modules['psycopg_pool'] = None; import scaleworthy.runtime.bulk"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "MissingExtra" in done.stderr
    assert "pip install 'scaleworthy[runtime]'" in done.stderr
