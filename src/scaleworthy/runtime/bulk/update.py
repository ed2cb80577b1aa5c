"""Many changed rows in one statement: UPDATE … FROM unnest; rows that are not there, or cannot be changed, are reported."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import psycopg
from psycopg import AsyncConnection, sql
from psycopg.rows import tuple_row

from scaleworthy.runtime.bulk.create import Partial, TakeBack, check_columns, taker
from scaleworthy.runtime.bulk.outcome import Failure, Outcome, failure_of, is_of_a_row
from scaleworthy.runtime.bulk.tables import Target, target
from scaleworthy.runtime.bulk.texts import Texts, Values

_MISSING = "there is no such row"


async def bulk_update(
    connection: AsyncConnection[Any],
    table: str,
    rows: Sequence[Mapping[str, Any]],
    *,
    key: str = "id",
    partial: Partial = "keep-good",
    batch: int = 5_000,
) -> Outcome:
    """Change *rows*: each has its *key* and the new values, and all the columns of the first.

    Where a key is given more than once, the last counts and the others are reported.

    Args:
        connection, table, partial, batch: As for `bulk_create`.
        rows: Columns and values.
        key: The column that says which row.

    Raises:
        InvalidInput: The table or a column is not there, or rows differ in their columns.
        psycopg.Error: What no row is to blame for; nothing is written then.
    """
    if not rows:
        return Outcome()
    columns = [key, *(column for column in rows[0] if column != key)]
    check_columns(rows, columns)
    take = taker(columns)
    outcome = Outcome()
    try:
        async with connection.transaction():
            into = await target(connection, table, columns)
            last = {row[key]: index for index, row in enumerate(rows)}
            outcome.failures += [
                Failure(index, f"row {last[row[key]]} has the same {key}", "21000")
                for index, row in enumerate(rows)
                if last[row[key]] != index
            ]
            wanted = sorted(last.values())
            for first in range(0, len(wanted), batch):
                indexes = wanted[first : first + batch]
                part = list(zip(indexes, [take(rows[index]) for index in indexes], strict=True))
                outcome.add(await _update(connection, into, part))
            if partial == "all-or-nothing" and outcome.failures:
                raise TakeBack
    except TakeBack:
        return Outcome(0, outcome.sorted().failures)
    return outcome.sorted()


async def _update(connection: AsyncConnection[Any], into: Target, rows: Sequence[tuple[int, Values]]) -> Outcome:
    """Change *rows* at once; where one cannot be, halves by themselves."""
    try:
        async with connection.transaction():
            changed = await _changed(connection, into, rows)
    except psycopg.Error as error:
        if not is_of_a_row(error):
            raise
        if len(rows) == 1:
            return Outcome(0, [failure_of(rows[0][0], error)])
        outcome = Outcome()
        for half in (rows[: len(rows) // 2], rows[len(rows) // 2 :]):
            outcome.add(await _update(connection, into, half))
        return outcome
    missing = [Failure(index, _MISSING, "02000") for place, (index, _) in enumerate(rows) if place not in changed]
    return Outcome(len(changed), missing)


async def _changed(connection: AsyncConnection[Any], into: Target, rows: Sequence[tuple[int, Values]]) -> set[int]:
    """Return the places in *rows* of those that were there."""
    names = [sql.Identifier(column) for column in into.columns]
    given = list(zip(into.given, into.types, strict=True))
    values = [sql.Identifier("sw_given", name) + sql.SQL(f"::{kind}") for name, kind in given]
    sets = sql.SQL(", ").join(
        name + sql.SQL(" = ") + value for name, value in list(zip(names, values, strict=True))[1:]
    )
    statement = sql.SQL(
        "update {table} set {sets} from {given} where {table}.{key} = {wanted} returning sw_place"
    ).format(table=into.table, sets=sets, given=into.unnested(), key=names[0], wanted=values[0])
    arrays = Texts(connection).arrays([row for _, row in rows])
    async with connection.cursor(row_factory=tuple_row) as cursor:
        await cursor.execute(statement, arrays)
        return {place - 1 for (place,) in await cursor.fetchall()}
