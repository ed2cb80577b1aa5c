"""Pages follow each other in both directions, in any order, past ties and NULLs; a cursor says what it is of."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from itertools import pairwise
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from psycopg import AsyncConnection
from psycopg.rows import dict_row

from runtime.bulk.made import note
from scaleworthy.errors import InvalidInput, UsageError
from scaleworthy.runtime.bulk import Keyset, Position, Shown, bulk_create


async def page_at(
    connection: AsyncConnection[Any], keyset: Keyset, cursor: str | None, limit: int, also: str = "true"
) -> Shown:
    position = keyset.read(cursor) if cursor else None
    text = f"select * from notes n {keyset.where(position, also=also)} {keyset.order_by(limit, position)}"
    async with connection.cursor(row_factory=dict_row) as looking:
        await looking.execute(text.encode(), keyset.values(position))
        return keyset.page(await looking.fetchall(), limit, position)


async def test_pages_follow_each_other_without_a_gap_or_a_repeat(connection: AsyncConnection[Any]) -> None:
    await bulk_create(connection, "notes", [note(number, score=number // 3) for number in range(20)])
    keyset, shown, cursor = Keyset(["score", "id"], "desc"), [], None
    for _ in range(10):
        page = await page_at(connection, keyset, cursor, 6, also="score >= 0 or false")
        shown += [row["code"] for row in page.rows]
        cursor = page.next
        if cursor is None:
            break
        await connection.execute("insert into notes (code, score) values (gen_random_uuid()::text, 100)")
    assert shown == [f"c{number}" for number in reversed(range(20))]


ORDERS = [
    (["n.score", "n.person", "id"], "asc"),
    (["score", "person", "id"], "desc"),
    (["-score", "person", "-id"], "asc"),
    (["person", "-score", "id"], "desc"),
]


@pytest.mark.parametrize(("columns", "direction"), ORDERS)
@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=st.lists(st.tuples(st.none() | st.integers(0, 2), st.none() | st.integers(1, 3)), max_size=12),
    limit=st.integers(1, 5),
)
@example(rows=[(None, None)] * 3 + [(1, None), (None, 1), (1, 1), (1, 1)], limit=1)
async def test_any_order_is_paged_forth_and_back_past_ties_and_nulls(
    connection: AsyncConnection[Any],
    columns: Sequence[str],
    direction: Any,
    rows: list[tuple[int | None, int | None]],
    limit: int,
) -> None:
    await connection.execute("truncate notes")
    await bulk_create(connection, "notes", [{"score": score, "person": person} for score, person in rows])
    nullable = [column for column in columns if not column.endswith("id")]
    keyset = Keyset(columns, direction, nullable=[column.removeprefix("-") for column in nullable])
    whole = [row["id"] for row in (await page_at(connection, keyset, None, 1000)).rows]
    assert len(whole) == len(rows)
    pages, cursor = [await page_at(connection, keyset, None, limit)], None
    while (cursor := pages[-1].next) is not None:
        pages.append(await page_at(connection, keyset, cursor, limit))
    assert [row["id"] for page in pages for row in page.rows] == whole
    assert all(len(page.rows) == limit for page in pages[:-1])
    for before, after in pairwise(pages):
        assert after.previous is not None
        back = await page_at(connection, keyset, after.previous, limit)
        assert [row["id"] for row in back.rows] == [row["id"] for row in before.rows]
        assert (back.previous is None) == (before is pages[0])
        assert back.next is not None
        again = await page_at(connection, keyset, back.next, limit)
        assert [row["id"] for row in again.rows] == [row["id"] for row in after.rows]


async def test_the_last_page_before_rows_that_have_gone_is_empty(connection: AsyncConnection[Any]) -> None:
    await bulk_create(connection, "notes", [note(number) for number in range(4)])
    keyset = Keyset(["id"])
    first = await page_at(connection, keyset, None, 2)
    await connection.execute("delete from notes where score >= 2")
    assert await page_at(connection, keyset, first.next, 2) == Shown([], None, None)


async def test_an_order_that_leaves_ties_is_found_out(connection: AsyncConnection[Any]) -> None:
    await bulk_create(connection, "notes", [note(number, score=1) for number in range(3)])
    with pytest.raises(InvalidInput, match="the last column must make the order unique"):
        await page_at(connection, Keyset(["score"]), None, 2)


async def test_an_order_that_goes_one_way_is_a_range_of_its_index(connection: AsyncConnection[Any]) -> None:
    await bulk_create(connection, "notes", [note(number) for number in range(3_000)])
    await connection.execute("create index on notes (score, id); analyze notes")
    keyset = Keyset(["score", "id"])
    position = keyset.read(keyset.write([2_000, 0]))
    text = f"explain select * from notes {keyset.where(position)} {keyset.order_by(10, position)}"
    plan = "\n".join(
        row[0] for row in await (await connection.execute(text.encode(), keyset.values(position))).fetchall()
    )
    assert "Index Cond: (ROW(score, id) > ROW(" in plan
    assert "Sort" not in plan


def test_an_order_that_cannot_be_is_refused_whole() -> None:
    with pytest.raises(InvalidInput) as refused:
        Keyset(["a", "-a"], nullable=["b", "a"])
    assert refused.value.problems == (
        "columns: a is given twice",
        "nullable: b is not one of the columns",
        "nullable: a is the last column, which makes the order unique",
    )
    with pytest.raises(InvalidInput, match="at least one is wanted"):
        Keyset([])


@given(
    st.tuples(
        st.integers(-(2**63), 2**63 - 1),
        st.none() | st.text(max_size=30),
        st.datetimes(timezones=st.just(UTC)),
        st.uuids(),
        st.decimals(allow_nan=False, allow_infinity=False),
        st.dates(),
    ),
    st.booleans(),
    st.none() | st.integers(),
)
def test_a_cursor_holds_its_values(
    values: tuple[int, str | None, datetime, UUID, Decimal, date], back: bool, extra: int | None
) -> None:
    keyset = Keyset(["a", "b", "c", "d", "e", "f"])
    assert keyset.read(keyset.write(values, back=back, extra=extra)) == Position(values, back, extra)


@given(st.text(max_size=200) | st.binary(max_size=60).map(lambda raw: raw.hex()))
@example("é")
@example("")
@example("A" * 2_000)
@example("[" * 900)
def test_anything_else_is_refused(text: str) -> None:
    keyset = Keyset(["created_at", "id"])
    with pytest.raises(UsageError, match="not a cursor of this list"):
        keyset.read(text)


@pytest.mark.parametrize(
    "other",
    [
        Keyset(["id", "at"]),
        Keyset(["at", "id"], "desc"),
        Keyset(["at", "-id"]),
        Keyset(["at"]),
        Keyset(["at", "id"], name="calls"),
        Keyset(["at", "id"], secret=b"s"),
    ],
    ids=repr,
)
def test_a_cursor_of_another_list_is_refused(other: Keyset) -> None:
    keyset = Keyset(["at", "id"])
    cursor = keyset.write([1, 2])
    with pytest.raises(UsageError, match="not a cursor of this list"):
        other.read(cursor)
    with pytest.raises(UsageError, match="not a cursor of this list"):
        keyset.read(other.write([1, 2][: len(other.columns)]))


@given(st.integers(0, 10_000), st.sampled_from("ABCabc019-_"))
def test_a_cursor_that_was_changed_is_refused(place: int, letter: str) -> None:
    keyset = Keyset(["at", "id"], secret=b"secret")
    cursor = keyset.write([1_700_000_000, 12])
    place %= len(cursor)
    changed = cursor[:place] + letter + cursor[place + 1 :]
    try:
        read = keyset.read(changed)
    except UsageError:
        return
    # The last letter of base64 has bits that say nothing.
    assert read == keyset.read(cursor)
