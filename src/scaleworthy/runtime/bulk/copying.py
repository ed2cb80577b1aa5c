"""COPY from Python, in binary where that says the same as text does.

Binary spares both sides writing and reading dates and numbers as text (benchmarks/bench_bulk.py has both). But the two do not take the
same values everywhere: as text, the str '{"a": 1}' is a JSON object and 'f' is false; in binary the first would be a JSON string and the
second true. So only types are sent in binary whose writers refuse every other Python type; on such a refusal text is tried.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from psycopg import AsyncConnection, sql

from scaleworthy.runtime.bulk.tables import Target
from scaleworthy.runtime.bulk.texts import Values

_STRICT = {
    "smallint": "int2",
    "integer": "int4",
    "bigint": "int8",
    "real": "float4",
    "double precision": "float8",
    "text": "text",
    "character varying": "varchar",
    "uuid": "uuid",
    "bytea": "bytea",
    "date": "date",
    "timestamp without time zone": "timestamp",
    "timestamp with time zone": "timestamptz",
}


def may_be_binary(into: Target) -> bool:
    """Return whether every column written has a type of which binary and text mean the same."""
    return _STRICT.keys() >= set(into.types)


async def copy_rows(
    connection: AsyncConnection[Any],
    copying: sql.Composed,
    rows: Iterable[Values],
    types: Sequence[str] | None = None,
) -> None:
    """Send *rows* by *copying*, a COPY … FROM STDIN; in binary, if *types* are given.

    Rows are formatted here and sent in blocks: awaiting each one would cost as much again.
    """
    if types is not None:
        copying += sql.SQL(" (format binary)")
    async with connection.cursor() as cursor, cursor.copy(copying) as copy:
        if types is not None:
            copy.set_types([_STRICT[kind] for kind in types])
        write_row, write = copy.formatter.write_row, copy.writer.write
        for row in rows:
            block = write_row(row)
            if block:
                await write(block)
