"""What of a table bulk writes need to know, asked in one statement: its columns' types, and what stands in COPY's way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from psycopg import AsyncConnection, sql
from psycopg.rows import tuple_row

from scaleworthy.errors import InvalidInput

# The type without its length: a cast to varchar(10) would cut what is longer, an assignment refuses it.
_COLUMNS = """
select attname, format_type(atttypid, -1), row_security_active(attrelid),
  exists (select from pg_constraint where conrelid = attrelid and condeferred)
from pg_attribute where attrelid = to_regclass(%s) and attnum > 0 and not attisdropped
"""


@dataclass(frozen=True, slots=True)
class Target:
    """The columns of a table that are written, with their types.

    `guarded`: row-level security holds for us, and COPY into it is refused. `deferred`: it has constraints that are checked at COMMIT.
    """

    table: sql.Composable
    columns: tuple[str, ...]
    types: tuple[str, ...]
    guarded: bool
    deferred: bool

    @property
    def listed(self) -> sql.Composable:
        """The columns' names, quoted, with commas."""
        return sql.SQL(", ").join(map(sql.Identifier, self.columns))

    def cast(self) -> sql.Composable:
        """Return the `given` texts as values of the columns' types."""
        return sql.SQL(", ").join(
            sql.Identifier(name) + sql.SQL("::") + sql.SQL(kind)
            for name, kind in zip(self.given, self.types, strict=True)
        )

    @property
    def given(self) -> tuple[str, ...]:
        """Names for the texts that become the columns' values; none of them can be a column's own."""
        return tuple(f"sw_{number}" for number in range(len(self.columns)))

    def unnested(self) -> sql.Composed:
        """Return a FROM item with a place for each column's array: rows of texts, each with its `sw_place` from 1."""
        return sql.SQL("unnest({}) with ordinality as sw_given({}, sw_place)").format(
            sql.SQL(", ").join([sql.SQL("%s::text[]")] * len(self.columns)),
            sql.SQL(", ").join(map(sql.Identifier, self.given)),
        )


def named(table: str) -> sql.Identifier:
    """Return *table*, with its schema where it has one, quoted."""
    return sql.Identifier(*table.split("."))


async def target(connection: AsyncConnection[Any], table: str, columns: Sequence[str]) -> Target:
    """Return what is known of *columns* of *table*.

    Raises:
        InvalidInput: With every column that is not there, or that there is no such table.
    """
    name = named(table)
    async with connection.cursor(row_factory=tuple_row) as cursor:
        await cursor.execute(_COLUMNS, [name.as_string(connection)])
        found = await cursor.fetchall()
    types = {row[0]: row[1] for row in found}
    if not types:
        raise InvalidInput("rows cannot be written", [f"{table}: there is no such table"])
    problems = [f"{table}: there is no column {column!r}" for column in columns if column not in types]
    if problems:
        raise InvalidInput("rows cannot be written", problems)
    return Target(
        name, tuple(columns), tuple(types[column] for column in columns), guarded=found[0][2], deferred=found[0][3]
    )
