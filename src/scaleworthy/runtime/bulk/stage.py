"""A temporary table of texts that rows are copied into first: from there they go on within the server, and bad ones are found there too.

COPY ends at its first bad row, an INSERT as well. So the server itself tries runs of rows, each within a savepoint of its own, shorter
ones after a failure and longer ones after a success, and says of each row that is left over what was wrong: one message, whatever the
number of bad rows.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import AsyncConnection, sql
from psycopg.rows import tuple_row

from scaleworthy.runtime.bulk.copying import copy_rows, may_be_binary
from scaleworthy.runtime.bulk.outcome import ROW_STATES, Failure, is_of_a_row, reason
from scaleworthy.runtime.bulk.tables import Target
from scaleworthy.runtime.bulk.texts import UNSENDABLE, Values, is_unsendable

# How many rows are tried together: at first, and at most. Found by measurement with 1 % of bad rows.
_RUN_FIRST, _RUN_MOST = 16, 256
_SLICE = 1_000
_KEEP_GOOD = """
do $scaleworthy$
#variable_conflict use_column
declare
  sw_everywhere tid[] := array(select ctid from {stage} order by sw_place);
  sw_all int := coalesce(cardinality(sw_everywhere), 0);
  sw_at tid[];
  sw_before int;
  sw_end int := 0;
  sw_first int := 1;
  sw_last int;
  sw_run int := {run_first};
  sw_rows int;
  sw_done int := 0;
  sw_code text;
  sw_said text;
  sw_detail text;
  sw_bad text[] := '{{}}';
begin
  while sw_first <= sw_all loop
    if sw_first > sw_end then
      -- Each run is given the array of places: a short one, for it is copied.
      sw_before := sw_first - 1;
      sw_end := least(sw_before + {slice}, sw_all);
      sw_at := sw_everywhere[sw_first:sw_end];
    end if;
    sw_last := least(sw_first + sw_run - 1, sw_end);
    begin
      {insert};
      get diagnostics sw_rows = row_count;
      sw_done := sw_done + sw_rows;
      sw_first := sw_last + 1;
      sw_run := least(sw_run * 2, {run_most});
    exception when others then
      if sqlstate !~ {row_states} then raise; end if;
      if sw_first < sw_last then
        sw_run := greatest((sw_last - sw_first + 1) / 16, 1);
      else
        get stacked diagnostics sw_code = returned_sqlstate, sw_said = message_text, sw_detail = pg_exception_detail;
        sw_bad := sw_bad || json_build_array(sw_first, sw_code, sw_said, sw_detail)::text;
        sw_first := sw_first + 1;
      end if;
    end;
  end loop;
  perform set_config('scaleworthy.bulk', json_build_object('done', sw_done, 'bad', sw_bad)::text, true);
end
$scaleworthy$
"""


@dataclass(frozen=True, slots=True)
class Run:
    """So many rows were written; those that could not be, by their index on the stage."""

    written: int
    failures: list[Failure]


class Stage:
    """The stage of one connection for rows of *into*. It is kept for the session and emptied by each COMMIT.

    Its columns have the types of the table's where values go in binary; else they are texts, which the INSERT turns into values.
    """

    def __init__(self, connection: AsyncConnection[Any], into: Target) -> None:
        self._connection = connection
        self._into = into
        self._binary = may_be_binary(into)
        self._name = ""

    async def fill(self, rows: Sequence[Values]) -> None:
        """Put *rows* on it, in place of what it held."""
        placed = [(place, *row) for place, row in enumerate(rows)]
        if self._binary:
            try:
                async with self._connection.transaction():
                    await self._copy(placed, self._into.types)
                return
            except (psycopg.Error, *UNSENDABLE) as error:
                # The server's refusal too: psycopg sends a NUL in binary as it is, and refuses it itself only in text.
                if not is_unsendable(error) and not (isinstance(error, psycopg.Error) and is_of_a_row(error)):
                    raise
                self._binary = False
        await self._copy(placed, ["text"] * len(self._into.columns))

    async def _copy(self, placed: Sequence[Values], types: Sequence[str]) -> None:
        kinds = hashlib.blake2b(",".join(types).encode(), digest_size=8).hexdigest()
        self._name = f"scaleworthy_stage_{kinds}"
        columns = sql.SQL(", ").join(map(sql.Identifier, self._into.given))
        # One message: made when the session uses it first, emptied in any case.
        make = sql.SQL(
            "set local client_min_messages = warning;"
            "create temporary table if not exists {} (sw_place int, {}) on commit delete rows;"
            "delete from {} where true"
        ).format(
            sql.Identifier(self._name),
            sql.SQL(", ").join(
                sql.Identifier(name) + sql.SQL(" ") + sql.SQL(kind)
                for name, kind in zip(self._into.given, types, strict=True)
            ),
            self._table,
        )
        await self._connection.execute(make)
        copying = sql.SQL("copy {} (sw_place, {}) from stdin").format(self._table, columns)
        await copy_rows(self._connection, copying, placed, ["integer", *types] if self._binary else None)

    @property
    def _table(self) -> sql.Identifier:
        return sql.Identifier("pg_temp", self._name)

    def read(self, *, runs: bool = False) -> sql.Composed:
        """Return a SELECT of its rows in their order, or, with *runs*, of the run that `keep_good` is at."""
        where = (
            sql.SQL(" where ctid between sw_at[sw_first - sw_before] and sw_at[sw_last - sw_before]")
            if runs
            else sql.SQL("")
        )
        return sql.SQL("select {} from {}{} order by sw_place").format(self._into.cast(), self._table, where)

    async def keep_good(self, insert: sql.Composed) -> Run:
        """Run *insert* (of `read(runs=True)`) for as many rows as can be."""
        block = sql.SQL(_KEEP_GOOD).format(
            stage=self._table,
            slice=sql.Literal(_SLICE),
            run_first=sql.Literal(_RUN_FIRST),
            run_most=sql.Literal(_RUN_MOST),
            row_states=sql.Literal(ROW_STATES),
            insert=insert,
        )
        await self._connection.execute(block)
        async with self._connection.cursor(row_factory=tuple_row) as cursor:
            await cursor.execute("select current_setting('scaleworthy.bulk')")
            row = await cursor.fetchone()
        assert row is not None
        said = json.loads(row[0])
        bad = [json.loads(one) for one in said["bad"]]
        return Run(said["done"], [Failure(place - 1, reason(text, detail), code) for place, code, text, detail in bad])
