"""Many new rows by the quickest way in that the table allows; rows that cannot be in are found, reported and left out.

Few rows go as arrays in one INSERT. Many go by COPY; where row-level security forbids COPY, or conflicts are to be dealt with, they go by
COPY onto a stage and by one INSERT from there. If one of them cannot be in, the server tries the stage's rows in runs (`stage`).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any, Literal

import psycopg
from psycopg import AsyncConnection, sql
from psycopg.pq import TransactionStatus

from scaleworthy.errors import InvalidInput
from scaleworthy.runtime.bulk.copying import copy_rows, may_be_binary
from scaleworthy.runtime.bulk.outcome import Failure, Outcome, failure_of, is_of_a_row
from scaleworthy.runtime.bulk.stage import Stage
from scaleworthy.runtime.bulk.tables import Target, target
from scaleworthy.runtime.bulk.texts import UNSENDABLE, Texts, Values, is_unsendable

Partial = Literal["keep-good", "all-or-nothing"]
# Up to so many rows one INSERT of arrays is quicker than COPY and its round trips.
_FEW = 200


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
    batch: int = 50_000,
) -> Outcome:
    """Write *rows*, which all have the columns of the first.

    Args:
        connection: To the writer, in the scope of its tenant. Within a transaction of the caller's the rows are in when that commits; else
            when this returns.
        table: Its name, with its schema where it is not on the search path.
        rows: Columns and values.
        on_conflict: For rows that are there already; None: they fail.
        partial: Whether good rows are kept where others fail. Either way each bad row is reported.
        batch: Rows that are sent together; if one of them cannot be in, so many are sent again.

    Raises:
        InvalidInput: The table or a column is not there, or rows differ in their columns.
        psycopg.Error: What no row is to blame for; nothing is written then.
    """
    if not rows:
        return Outcome()
    columns = list(rows[0])
    check_columns(rows, columns)
    outcome = Outcome()
    own = connection.info.transaction_status == TransactionStatus.IDLE
    try:
        async with connection.transaction():
            into = await target(connection, table, columns)
            if own and into.deferred:
                await connection.execute("set constraints all immediate")
            writer = _Writer(connection, into, on_conflict)
            for first in range(0, len(rows), batch):
                outcome.add(await writer.write(rows[first : first + batch], first))
            if partial == "all-or-nothing" and outcome.failures:
                raise TakeBack
    except TakeBack:
        return Outcome(0, outcome.sorted().failures)
    return outcome.sorted()


class TakeBack(Exception):
    """Roll the transaction back."""


class _Writer:
    """Writes batches, each by the quickest way that may work; once a batch had a bad row the others go by runs at once."""

    def __init__(self, connection: AsyncConnection[Any], into: Target, on_conflict: OnConflict | None) -> None:
        self._connection = connection
        self._into = into
        self._texts = Texts(connection)
        self._stage = Stage(connection, into)
        self._conflict = on_conflict.clause(into.columns) if on_conflict else sql.SQL("")
        self._may_copy = on_conflict is None and not into.guarded
        self._binary = may_be_binary(into)
        self._take = taker(into.columns)
        self._hopeful = True

    async def write(self, rows: Sequence[Mapping[str, Any]], first: int) -> Outcome:
        """Write *rows*, the first of which has the index *first*."""
        if self._hopeful and (self._may_copy or len(rows) <= _FEW):
            written = await self._if_all_can_be(lambda: self._directly(rows))
            if written is not None:
                return Outcome(written, [], len(rows) - written)
        places, failures = await self._staged(list(map(self._take, rows)), first)
        if self._hopeful and not failures:
            written = await self._if_all_can_be(self._from_stage)
            if written is not None:
                return Outcome(written, [], len(rows) - written)
        run = await self._stage.keep_good(self._insert(self._stage.read(runs=True)))
        failures += [Failure(first + places[bad.index], bad.reason, bad.code) for bad in run.failures]
        return Outcome(run.written, failures, len(rows) - run.written - len(failures))

    async def _if_all_can_be(self, write: Callable[[], Awaitable[int]]) -> int | None:
        """Return how many rows *write* wrote; None, and nothing is, if one of them cannot be."""
        try:
            async with self._connection.transaction():
                return await write()
        except (psycopg.Error, *UNSENDABLE) as error:
            if not is_unsendable(error) and not (isinstance(error, psycopg.Error) and is_of_a_row(error)):
                raise
        self._hopeful = False
        return None

    async def _directly(self, rows: Sequence[Mapping[str, Any]]) -> int:
        into = self._into
        if len(rows) <= _FEW:
            given = sql.SQL("select {} from {} order by sw_place").format(into.cast(), into.unnested())
            return (
                await self._connection.execute(self._insert(given), self._texts.arrays(list(map(self._take, rows))))
            ).rowcount
        copying = sql.SQL("copy {} ({}) from stdin").format(into.table, into.listed)
        if self._binary:
            try:
                async with self._connection.transaction():
                    await copy_rows(self._connection, copying, map(self._take, rows), into.types)
                return len(rows)
            except (psycopg.Error, *UNSENDABLE) as error:
                if not is_unsendable(error):
                    raise
                self._binary = False
        await copy_rows(self._connection, copying, map(self._take, rows))
        return len(rows)

    async def _staged(self, rows: list[Values], first: int) -> tuple[Sequence[int], list[Failure]]:
        """Put *rows* on the stage; return the index of each that is there, and why the others are not."""
        try:
            async with self._connection.transaction():
                await self._stage.fill(rows)
            return range(len(rows)), []
        except (psycopg.Error, *UNSENDABLE) as error:
            if not is_unsendable(error):
                raise
            refused = {index: why for index, row in enumerate(rows) if (why := self._texts.why_not(row))}
            if not refused:
                raise
        places = [index for index in range(len(rows)) if index not in refused]
        await self._stage.fill([rows[index] for index in places])
        return places, [failure_of(first + index, why) for index, why in refused.items()]

    async def _from_stage(self) -> int:
        return (await self._connection.execute(self._insert(self._stage.read()))).rowcount

    def _insert(self, rows: sql.Composed) -> sql.Composed:
        return sql.SQL("insert into {} ({}) {}{}").format(self._into.table, self._into.listed, rows, self._conflict)


def taker(columns: Sequence[str]) -> Callable[[Mapping[str, Any]], Values]:
    """Return what takes the values of *columns* out of a row."""
    if len(columns) == 1:
        (only,) = columns
        return lambda row: (row[only],)
    return itemgetter(*columns)


def check_columns(rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> None:
    """Refuse rows that differ in their columns.

    Raises:
        InvalidInput: With the first twenty that do.
    """
    wanted = set(columns)
    # As many keys as are wanted, and each of those: looked at in C, for this is done for every row.
    if set(map(len, rows)) == {len(wanted)}:
        try:
            deque(map(taker(columns), rows), maxlen=0)
        except KeyError:
            pass
        else:
            return
    raise InvalidInput("all rows must have the same columns", _differences(rows, wanted))


def _differences(rows: Sequence[Mapping[str, Any]], wanted: set[str]) -> list[str]:
    problems = []
    for index, row in enumerate(rows):
        if row.keys() != wanted:
            missing, more = sorted(wanted - row.keys()), sorted(row.keys() - wanted)
            said = [f"without {', '.join(missing)}"] * bool(missing) + [f"with {', '.join(more)}"] * bool(more)
            problems.append(f"row {index}: {' and '.join(said)}, unlike row 0")
    return problems[:20] + ([f"and {len(problems) - 20} more"] if len(problems) > 20 else [])
