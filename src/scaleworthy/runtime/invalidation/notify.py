"""The other way, where logical decoding is not to be had: triggers that NOTIFY.

It costs writes dear: NOTIFY takes a lock at commit that all of the cluster's notifying transactions queue for. And it keeps nothing for who
does not listen, so everything is dropped each time listening begins.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence

import psycopg
from psycopg import AsyncConnection

from scaleworthy.runtime.invalidation.catalogue import known_tables
from scaleworthy.runtime.invalidation.follower import FollowerStatistics, Invalidates
from scaleworthy.runtime.invalidation.pgoutput import Change, Relation
from scaleworthy.runtime.invalidation.rules import Rule, Rules

_AGAIN_S = 1.0
_FUNCTION = """
create or replace function {name}_notify() returns trigger language plpgsql as $body$
begin
  perform pg_notify('{name}', json_build_object(
    'table', tg_table_schema || '.' || tg_table_name, 'operation', lower(tg_op),
    'old', case when tg_op in ('UPDATE', 'DELETE') and tg_level = 'ROW' then {name}_columns(to_jsonb(old), tg_argv[0]) end,
    'new', case when tg_op in ('INSERT', 'UPDATE') and tg_level = 'ROW' then {name}_columns(to_jsonb(new), tg_argv[0]) end)::text);
  return null;
end $body$
"""
_COLUMNS = """
create or replace function {name}_columns(value jsonb, names text) returns jsonb language sql immutable as
$body$ select coalesce(jsonb_object_agg(key, value), '{{}}') from jsonb_each_text(value)
  where key = any (string_to_array(names, ',')) $body$
"""


class NotifyFollower:
    """Follows the changes of *rules*' tables by triggers. `create` once, then `start` in every process.

    Args:
        dsn: The writer.
        cache: Who is told. Each process listens; the shared layers are told by each, which changes nothing the second time.
        rules: What changes make wrong.
        name: Of the channel, and the beginning of the functions' and triggers' names.
    """

    def __init__(
        self, dsn: str, cache: Invalidates, rules: Sequence[Rule], *, name: str = "scaleworthy_changed"
    ) -> None:
        self._dsn = dsn
        self._cache = cache
        self._rule_list = list(rules)
        self._rules = Rules(rules)
        self._name = name
        self._task: asyncio.Task[None] | None = None
        self._listens = asyncio.Event()
        self._reason: str | None = "not started"
        self._counts = {"transactions": 0, "keys": 0, "tags": 0, "everything": 0}

    @property
    def trouble(self) -> str | None:
        """Why changes are not followed; None: they are."""
        return self._reason

    def statements(self) -> list[str]:
        """Return the SQL that `create` runs, for a migration of your own."""
        made = [_COLUMNS.format(name=self._name), _FUNCTION.format(name=self._name)]
        for table in self._rules.tables:
            columns = sorted({column for rule in self._rule_list if rule.qualified == table for column in rule.columns})
            quoted = ".".join(f'"{part}"' for part in table.split("."))
            made += [
                (
                    f"create or replace trigger {self._name}_row after insert or update or delete on {quoted}"
                    f" for each row execute function {self._name}_notify('{','.join(columns)}')"
                ),
                (
                    f"create or replace trigger {self._name}_truncate after truncate on {quoted}"
                    f" for each statement execute function {self._name}_notify('')"
                ),
            ]
        return made

    async def create(self) -> None:
        """Make functions and triggers.

        Raises:
            InvalidInput: The rules do not fit the database.
        """
        async with await self._connect() as connection:
            known = await known_tables(connection, self._rules.tables)
            # A trigger sees whole rows, whatever the identity.
            self._rules.check({name: (columns, columns) for name, (columns, _) in known.items()})
            for statement in self.statements():
                await connection.execute(statement.encode())

    async def drop(self) -> None:
        """Remove them."""
        async with await self._connect() as connection:
            await connection.execute(f"drop function if exists {self._name}_notify() cascade".encode())
            await connection.execute(f"drop function if exists {self._name}_columns(jsonb, text)".encode())

    def start(self) -> None:
        """Begin to listen."""
        if self._task is None:
            self._task = asyncio.create_task(self._follow())

    async def reading(self) -> None:
        """Wait until it listens."""
        await self._listens.wait()

    async def stop(self) -> None:
        """End listening."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None
            self._listens.clear()

    def statistics(self) -> FollowerStatistics:
        """Return the counts; a transaction is one row here."""
        return FollowerStatistics(reads=self._listens.is_set(), lag_bytes=None, **self._counts)

    async def _follow(self) -> None:
        while True:
            try:
                async with await self._connect() as connection:
                    await connection.execute(f"listen {self._name}".encode())
                    await self._cache.invalidate(keys=(), tags=(), everything=True, position=None)
                    self._counts["everything"] += 1
                    self._reason = None
                    self._listens.set()
                    async for told in connection.notifies():
                        await self._drop(told.payload)
                self._reason = "changes are not followed: the connection ended"
            except (psycopg.Error, OSError) as error:
                self._reason = f"changes are not followed: {str(error).partition(chr(10))[0]}"
            self._listens.clear()
            await asyncio.sleep(_AGAIN_S)

    async def _drop(self, payload: str) -> None:
        told = json.loads(payload)
        schema, _, table = told["table"].partition(".")
        relation = Relation(schema, table, (), frozenset())
        dropped = self._rules.drop([Change(relation, told["operation"], told["old"], told["new"])])
        self._counts["transactions"] += 1
        self._counts["keys"] += len(dropped.keys)
        self._counts["tags"] += len(dropped.tags)
        self._counts["everything"] += dropped.everything
        if not dropped.is_empty:
            await self._cache.invalidate(
                keys=sorted(dropped.keys), tags=sorted(dropped.tags), everything=dropped.everything, position=None
            )

    async def _connect(self) -> AsyncConnection[tuple[object, ...]]:
        return await AsyncConnection.connect(self._dsn, autocommit=True, connect_timeout=5)
