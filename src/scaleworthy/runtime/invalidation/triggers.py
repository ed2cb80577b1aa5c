"""The triggers that NOTIFY: one message for each statement, with the rows' columns that rules name."""

from __future__ import annotations

from zlib import crc32

from scaleworthy.runtime.invalidation.catalogue import quoted
from scaleworthy.runtime.invalidation.pgoutput import Operation
from scaleworthy.runtime.invalidation.rules import Rules

# PostgreSQL takes messages below 8,000 bytes; beyond, the writer's own transaction would fail.
_BYTES_MOST = 7_500
_ROWS_MOST = 100
_ROWS = {
    "insert": "select {columns} from new_rows",
    "delete": "select {columns} from old_rows",
    "update": "select {columns} from new_rows union select {columns} from old_rows",
}
_TRANSITION = {
    "insert": "referencing new table as new_rows",
    "delete": "referencing old table as old_rows",
    "update": "referencing new table as new_rows old table as old_rows",
    "truncate": "",
}
_FUNCTION = """
create function {function}() returns trigger language plpgsql as $body$
declare rows jsonb; said text;
begin
  {select}
  said := jsonb_build_object('table', {table}, 'operation', '{operation}', 'rows', rows)::text;
  if octet_length(said) > {bytes_most} or jsonb_array_length(rows) > {rows_most} then
    said := jsonb_build_object('table', {table}, 'operation', '{operation}', 'rows', null)::text;
  end if;
  perform pg_notify('{channel}', said);
  return null;
end $body$
"""
_SELECT = """
  select jsonb_agg(jsonb_build_object({pairs})) into rows from (select distinct * from ({rows}) changed limit {limit}) changed;
  if rows is null then return null; end if;
"""
_REMOVE = """
do $body$ declare made regprocedure; begin
  for made in select oid from pg_proc where prorettype = 'trigger'::regtype and starts_with(proname, '{prefix}') loop
    execute 'drop function ' || made || ' cascade';
  end loop;
end $body$
"""
_NAME_MOST = 63


class Triggers:
    """Of the tables of *rules*; all names begin with *name* and two underscores."""

    def __init__(self, name: str, rules: Rules) -> None:
        self._name = name
        self._rules = rules

    def statements(self) -> list[str]:
        """Return the SQL that makes them, functions and triggers in turn."""
        return [
            statement
            for table in self._rules.tables
            for operation in self._rules.on(table)
            for statement in self._of(table, operation)
        ]

    def removal(self) -> list[str]:
        """Return the SQL that removes them, those of earlier rules too."""
        return [_REMOVE.format(prefix=_escaped(f"{self._name}__"))]

    def _of(self, table: str, operation: Operation) -> tuple[str, str]:
        named = quoted(_short(f"{self._name}__{table.replace('.', '_')}_{operation}"))
        function = _FUNCTION.format(
            function=named,
            select="" if operation == "truncate" else self._select(table, operation),
            table=f"'{_escaped(table)}'",
            operation=operation,
            channel=_escaped(self._name),
            bytes_most=_BYTES_MOST,
            rows_most=_ROWS_MOST,
        )
        trigger = (
            f"create trigger {named} after {operation} on {quoted(table)} {_TRANSITION[operation]}"
            f" for each statement execute function {named}()"
        )
        return function, trigger

    def _select(self, table: str, operation: Operation) -> str:
        columns = sorted(self._rules.columns(table))
        # format('%s') writes a value as the log does; a cast to text does not for every type.
        shown = ", ".join(f"format('%s', {quoted(name)}) as {quoted(name)}" for name in columns) or "true as any_row"
        pairs = ", ".join(f"'{_escaped(name)}', {quoted(name)}" for name in columns)
        return _SELECT.format(pairs=pairs, rows=_ROWS[operation].format(columns=shown), limit=_ROWS_MOST + 1)


def _escaped(text: str) -> str:
    return text.replace("'", "''")


def _short(name: str) -> str:
    return name if len(name.encode()) <= _NAME_MOST else f"{name[:50]}_{crc32(name.encode()):08x}"
