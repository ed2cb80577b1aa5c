"""Many new rows: by COPY, the quickest way in there is; rows that cannot be in are found, reported and left out.

A COPY ends at its first bad row and says which line it was. So the rows before it are written, it is reported, and the rest goes on. An
error that names no line (a foreign key, checked at the end) is found by halving.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import psycopg
from psycopg import AsyncConnection, sql

from scaleworthy.errors import InvalidInput
from scaleworthy.runtime.bulk.outcome import Outcome, failure_of, is_of_a_row
from scaleworthy.runtime.bulk.tables import Target, target

Partial = Literal["keep-good", "all-or-nothing"]
_LINE = re.compile(r"COPY .*?, line (\d+)")


@dataclass(frozen=True, slots=True)
class OnConflict:
    """What happens to a row whose *key* is there already: nothing, or these columns are updated (None: all but the key)."""

    key: Sequence[str]
    update: Sequence[str] | None = ()

    def clause(self, columns: Sequence[str]) -> sql.Composable:
        """Return the ON CONFLICT clause."""
        key = sql.SQL(", ").join(map(sql.Identifier, self.key))
        changed = [c for c in columns if c not in self.key] if self.update is None else self.update
        if not changed:
            return sql.SQL(" on conflict ({}) do nothing").format(key)
        sets = sql.SQL(", ").join(sql.SQL("{0} = excluded.{0}").format(sql.Identifier(c)) for c in changed)
        return sql.SQL(" on conflict ({}) do update set {}").format(key, sets)


async def bulk_create(
    connection: AsyncConnection[Any],
    table: str,
    rows: Sequence[Mapping[str, Any]],
    *,
    on_conflict: OnConflict | None = None,
    partial: Partial = "keep-good",
    batch: int = 5_000,
) -> Outcome:
    """Write *rows*, which all have the columns of the first.

    Args:
        connection: To the writer, in the scope of its tenant. Within a transaction of the caller's the rows are in when that commits; else
            when this returns.
        table: Its name, with its schema where it is not on the search path.
        rows: Columns and values.
        on_conflict: For rows that are there already; None: they fail.
        partial: Whether good rows are kept where others fail.
        batch: Rows of one COPY; after a bad row the rest of its batch is sent again.

    Raises:
        InvalidInput: The table or a column is not there, or rows differ in their columns.
        psycopg.Error: What no row is to blame for; nothing is written then.
    """
    if not rows:
        return Outcome()
    columns = list(rows[0])
    check_columns(rows, columns)
    outcome = Outcome()
    try:
        async with connection.transaction():
            into = await target(connection, table, columns)
            writer = _Writer(connection, into, on_conflict)
            for first in range(0, len(rows), batch):
                values = [tuple(row[column] for column in columns) for row in rows[first : first + batch]]
                outcome.add(await writer.write(values, first))
            if partial == "all-or-nothing" and outcome.failures:
                raise TakeBack
    except TakeBack:
        return Outcome(0, outcome.sorted().failures)
    return outcome.sorted()


class TakeBack(Exception):
    """Roll the transaction back."""


class _Writer:
    """Writes batches by COPY: into the table itself, or by a stage where conflicts are to be dealt with."""

    def __init__(self, connection: AsyncConnection[Any], into: Target, on_conflict: OnConflict | None) -> None:
        self._connection = connection
        self._into = into
        self._on_conflict = on_conflict
        name = sql.Identifier("scaleworthy_stage") if on_conflict else into.table
        self._copy = sql.SQL("copy {} ({}) from stdin").format(name, into.listed)

    async def write(self, rows: Sequence[tuple[Any, ...]], first: int) -> Outcome:
        """Write *rows*, the first of which has the index *first*."""
        outcome = Outcome()
        todo = [(0, len(rows))]
        while todo:
            begin, end = todo.pop()
            part = rows[begin:end]
            try:
                async with self._connection.transaction():
                    outcome.successful += await self._try(part)
            except psycopg.Error as error:
                if not is_of_a_row(error):
                    raise
                if len(part) == 1:
                    outcome.failures.append(failure_of(first + begin, error))
                    continue
                line = _line_of(error)
                if line is None or line > len(part):
                    middle = begin + len(part) // 2
                    todo += [(middle, end), (begin, middle)]
                    continue
                bad = begin + line - 1
                outcome.failures.append(failure_of(first + bad, error))
                todo += [piece for piece in ((bad + 1, end), (begin, bad)) if piece[0] < piece[1]]
        return outcome

    async def _try(self, rows: Sequence[tuple[Any, ...]]) -> int:
        if self._on_conflict is None:
            return await self._copied(rows)
        make = "create temporary table scaleworthy_stage on commit drop as select {} from {} limit 0"
        await self._connection.execute(sql.SQL(make).format(self._into.listed, self._into.table))
        await self._copied(rows)
        insert = sql.SQL("insert into {} ({}) select {} from scaleworthy_stage{}").format(
            self._into.table, self._into.listed, self._into.listed, self._on_conflict.clause(self._into.columns)
        )
        cursor = await self._connection.execute(insert)
        await self._connection.execute("drop table scaleworthy_stage")
        return cursor.rowcount

    async def _copied(self, rows: Sequence[tuple[Any, ...]]) -> int:
        async with self._connection.cursor() as cursor, cursor.copy(self._copy) as copy:
            for row in rows:
                await copy.write_row(row)
        return len(rows)


def _line_of(error: psycopg.Error) -> int | None:
    found = _LINE.search(error.diag.context or "")
    return None if found is None else int(found[1])


def check_columns(rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> None:
    """Refuse rows that differ in their columns.

    Raises:
        InvalidInput: With the first twenty of them.
    """
    wanted = set(columns)
    problems = []
    for index, row in enumerate(rows):
        if row.keys() != wanted:
            missing, more = sorted(wanted - row.keys()), sorted(row.keys() - wanted)
            said = [f"without {', '.join(missing)}"] * bool(missing) + [f"with {', '.join(more)}"] * bool(more)
            problems.append(f"row {index}: {' and '.join(said)}, unlike row 0")
    if problems:
        shown = problems[:20] + ([f"and {len(problems) - 20} more"] if len(problems) > 20 else [])
        raise InvalidInput("all rows must have the same columns", shown)
