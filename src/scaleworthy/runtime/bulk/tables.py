"""What of a table bulk writes need to know: its columns' types, asked once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from psycopg import AsyncConnection, sql
from psycopg.rows import tuple_row

from scaleworthy.errors import InvalidInput

_COLUMNS = """
select attname, format_type(atttypid, atttypmod) from pg_attribute
where attrelid = to_regclass(%s) and attnum > 0 and not attisdropped
"""


@dataclass(frozen=True, slots=True)
class Target:
    """The columns of a table that are written, with their types."""

    table: sql.Composable
    columns: tuple[str, ...]
    types: tuple[str, ...]

    @property
    def listed(self) -> sql.Composable:
        """The columns' names, quoted, with commas."""
        return sql.SQL(", ").join(map(sql.Identifier, self.columns))


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
        types: dict[str, str] = dict(await cursor.fetchall())
    if not types:
        raise InvalidInput("rows cannot be written", [f"{table}: there is no such table"])
    problems = [f"{table}: there is no column {column!r}" for column in columns if column not in types]
    if problems:
        raise InvalidInput("rows cannot be written", problems)
    return Target(name, tuple(columns), tuple(types[column] for column in columns))
