"""What a statement does with columns, and which indexes that asks for."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from scaleworthy.audit.advice.candidates import candidates_for
from scaleworthy.audit.advice.uses import Binding, uses_of
from scaleworthy.audit.evidence import Column, Evidence, Index, Server, Table
from scaleworthy.audit.statement import restored

COLUMNS = {
    "public.leads": ("id", "tenant_id", "status", "score", "created_at", "name"),
    "public.calls": ("id", "lead_id", "at", "tenant_id"),
}


def table(name: str, rows: float = 1e6) -> Table:
    schema, relation = name.split(".")
    return Table(1, name, schema, relation, "me", "r", rows, 10**8, True, False, True, False, *[0] * 10, True)


def evidence(rows: float = 1e6, indexes: tuple[Index, ...] = ()) -> Evidence:
    server = Server(
        180000,
        "18",
        False,
        0,
        datetime(2026, 1, 1, tzinfo=UTC),
        "app",
        "me",
        False,
        1,
        1.0,
        1,
        1,
        0,
        0,
        1,
        9,
        "x",
        None,
    )
    columns = {
        name: {column: Column(name, column, "integer", "N", True) for column in found}
        for name, found in COLUMNS.items()
    }
    tables = {name: table(name, rows) for name in COLUMNS}
    return Evidence(
        "", server, tables, columns, indexes, (), (), {}, (), {}, (), (), ("public",), frozenset(), {}, {}
    )  # fmt: skip


def index(*columns: str, unique: bool = False, partial: bool = False) -> Index:
    shape = tuple(columns)
    return Index(
        1, "an_index", "public.leads", "btree", columns, (), shape, unique, False, False, True, partial, "", False, False, 1, 0, ""
    )  # fmt: skip


def wanted(text: str, found: Evidence | None = None, tenant: tuple[str, ...] = ()) -> list[str]:
    found = found or evidence()
    return [candidate.key for candidate in candidates_for(uses_of(text, found), {"public.leads": tenant}, found)]


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("SELECT * FROM leads WHERE status = $1 ORDER BY created_at DESC LIMIT $2", "leads(status,created_at)"),
        ("SELECT * FROM leads l WHERE l.score > $1 AND $2 = l.status", "leads(status,score)"),
        ("SELECT * FROM leads WHERE status IN ($1, $2) AND score BETWEEN $3 AND $4", "leads(status,score)"),
        ("SELECT * FROM leads WHERE id = ANY($1)", "leads(id)"),
        ("SELECT status, count(*) FROM leads GROUP BY 1", "leads(status)"),
        ("SELECT * FROM leads ORDER BY score DESC, created_at", "leads(score desc,created_at)"),
        ("SELECT * FROM leads ORDER BY score DESC, created_at DESC", "leads(score,created_at)"),
        ("SELECT * FROM leads WHERE (created_at, id) < ($1, $2) ORDER BY created_at DESC", "leads(created_at)"),
        ("UPDATE leads SET name = $1 WHERE score = $2", "leads(score)"),
        ("DELETE FROM leads WHERE created_at < $1", "leads(created_at)"),
        ("WITH old AS (SELECT id FROM leads WHERE score = $1) SELECT * FROM old", "leads(score)"),
        ("SELECT 1 WHERE EXISTS (SELECT FROM leads WHERE status = $1)", "leads(status)"),
    ],
)
def test_columns_come_as_equality_then_sort_then_range(text: str, first: str) -> None:
    assert wanted(text)[0] == first


def test_the_column_of_the_tenant_comes_first() -> None:
    assert (
        wanted("SELECT * FROM leads ORDER BY created_at DESC LIMIT $1", tenant=("tenant_id",))[0]
        == "leads(tenant_id,created_at)"
    )


def test_a_join_wants_its_columns_on_both_sides() -> None:
    found = wanted("SELECT * FROM leads l JOIN calls c ON c.lead_id = l.id WHERE l.status = $1")

    assert {"leads(status,id)", "calls(lead_id)"} <= set(found)


@pytest.mark.parametrize(
    "text",
    [
        "SELECT * FROM leads WHERE status = $1 OR score = $2",
        "SELECT * FROM leads WHERE lower(name) = $1",
        "SELECT * FROM leads WHERE name LIKE $1",
        "SELECT * FROM elsewhere WHERE id = $1",
        "SELECT 1",
    ],
)
def test_what_an_index_cannot_serve_asks_for_none(text: str) -> None:
    assert wanted(text) == []


def test_an_index_that_is_there_is_not_advised_again() -> None:
    text = "SELECT * FROM leads WHERE status = $1"

    assert wanted(text, evidence(indexes=(index("status", "score"),))) == []
    assert wanted(text, evidence(indexes=(index("score", "status"),))) == ["leads(status)"]
    assert wanted(text, evidence(indexes=(index("status", partial=True),))) == ["leads(status)"]


def test_one_row_by_its_key_needs_nothing_more() -> None:
    found = evidence(indexes=(index("id", unique=True),))

    assert wanted("SELECT * FROM leads WHERE id = $1 AND status = $2", found, ("tenant_id",)) == []


def test_a_small_table_is_left_alone() -> None:
    assert wanted("SELECT * FROM leads WHERE status = $1", evidence(rows=500)) == []


def test_each_parameter_is_bound_to_what_it_stands_for() -> None:
    text = """SELECT date_trunc($1, created_at) FROM leads
      WHERE status = $2 AND score BETWEEN $3 AND $4 AND id = ANY($5) AND name LIKE $6 AND (score = $7 OR $8 < created_at)
      LIMIT $9 OFFSET $10"""

    assert uses_of(text, evidence()).bindings == {
        1: Binding("field"),
        2: Binding("=", "public.leads", "status"),
        3: Binding(">", "public.leads", "score"),
        4: Binding("<", "public.leads", "score"),
        5: Binding("any", "public.leads", "id"),
        6: Binding("pattern", "public.leads", "name"),
        7: Binding("=", "public.leads", "score"),
        8: Binding(">", "public.leads", "created_at"),
        9: Binding("limit"),
        10: Binding("offset"),
    }


def test_a_typed_constant_becomes_sql_again_and_nothing_else_changes() -> None:
    assert (
        restored("SELECT now() - interval $1, \"Interval\", 'PAID'")
        == "SELECT now() - $1::interval, \"Interval\", 'PAID'"
    )


def test_what_an_insert_reads_counts_and_its_values_are_bound() -> None:
    text = """INSERT INTO calls (tenant_id, lead_id) SELECT $1, coalesce($2::bigint, (SELECT id FROM leads WHERE name = $3))
      WHERE $2::bigint IS NULL"""

    found = uses_of(text, evidence())

    assert wanted(text) == ["leads(name)"]
    assert found.written == "public.calls"
    assert found.bindings[1] == Binding("=", "public.calls", "tenant_id")
    assert found.nullable == {2}


def test_a_subquery_is_read_by_its_own_conditions() -> None:
    """The key of the outer query says nothing of the inner one, though both read the same table."""
    found = evidence(indexes=(index("id", unique=True),))
    text = "SELECT (SELECT id FROM leads WHERE name = $1 ORDER BY created_at LIMIT 1) FROM leads WHERE id = $2"

    assert wanted(text, found)[0] == "leads(name,created_at)"


def test_a_sort_over_two_tables_is_the_first_one_s() -> None:
    text = "SELECT * FROM leads l JOIN calls c ON c.lead_id = l.id WHERE l.status = $1 ORDER BY l.score, c.at"

    found = wanted(text)

    assert found[0] == "leads(status,score)"
    assert not [key for key in found if "at)" in key]
