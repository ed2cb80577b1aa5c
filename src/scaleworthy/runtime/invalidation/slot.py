"""The slot and the publication of a fleet: made, looked at, made anew."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

from psycopg import AsyncConnection, errors, sql

from scaleworthy.errors import UsageError
from scaleworthy.runtime.invalidation.catalogue import known_tables, quoted
from scaleworthy.runtime.invalidation.rules import Rules, Table

_LOOK = """
select pg_wal_lsn_diff(pg_current_wal_lsn(), confirmed_flush_lsn)::bigint, pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn)::bigint,
       coalesce(wal_status = 'lost', false), active,
       array(select wanted from unnest(%(tables)s::text[]) wanted
             where wanted not in (select schemaname || '.' || tablename from pg_publication_tables where pubname = %(publication)s))
from pg_replication_slots where slot_name = %(slot)s and database = current_database()
"""
_PUBLISHED = """
select coalesce(array_agg(schemaname || '.' || tablename), '{}'), (select pubviaroot from pg_publication where pubname = %(publication)s)
from pg_publication_tables where pubname = %(publication)s
"""
# One process at a time makes or renews it; the others wait here.
_LOCK = "select pg_advisory_lock(hashtextextended('scaleworthy slot ' || %s, 0))"
# PostgreSQL 15 can leave out columns.
_COLUMN_LISTS = 150_000
_RELEASED_WITHIN_S, _LOOK_AGAIN_S = 5.0, 0.05

Connection = AsyncConnection[tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class SlotState:
    """What the server says of it: bytes of the log that nobody has read yet, bytes it keeps for it, and what is wrong."""

    lag_bytes: int
    kept_bytes: int
    is_lost: bool
    is_read: bool
    unpublished: tuple[str, ...]


class Slot:
    """A slot and its publication, for the tables of *rules*. The connections are given; they commit by themselves."""

    def __init__(self, name: str, rules: Rules, *, publication: str | None = None) -> None:
        self.name = name
        self.publication = publication or name
        self._rules = rules

    def statements(self, known: dict[str, Table] | None = None) -> list[str]:
        """Return the SQL that makes them; *known*: leave out the columns nobody needs."""
        return [
            f"create publication {quoted(self.publication)} for table {self._published(known)} with ({self._options()})",
            f"select pg_create_logical_replication_slot('{self.name}', 'pgoutput')",
        ]

    async def create(self, connection: Connection) -> None:
        """Make both where they are not there.

        Raises:
            InvalidInput: The rules do not fit the database.
            UsageError: The server does not decode its log.
        """
        await self._require_logical(connection)
        known = await known_tables(connection, self._rules.tables)
        self._rules.check(known, of_log=True)
        await connection.execute(_LOCK, [self.name])
        await self._publish(connection, known)
        if await self.look(connection) is None:
            await connection.execute("select pg_create_logical_replication_slot(%s, 'pgoutput')", [self.name])

    async def renew(self, connection: Connection, *, lag_most: int, anyway: bool = False) -> bool:
        """Drop the slot if it cannot be read on or is too far behind (or *anyway*), and make what is not there; return whether it is new.

        Raises:
            UsageError: The server does not decode its log.
        """
        await self._require_logical(connection)
        await connection.execute(_LOCK, [self.name])
        state = await self.look(connection)
        known = await known_tables(connection, self._rules.tables)
        is_new = await self._publish(connection, known)
        # A slot reads the log as the catalogue was then: one that is older than its publication stumbles over that.
        if state is not None and (anyway or is_new or state.is_lost or state.lag_bytes > lag_most):
            await self._drop_slot(connection)
            state = None
        if state is None:
            await connection.execute("select pg_create_logical_replication_slot(%s, 'pgoutput')", [self.name])
        return state is None

    async def publish(self, connection: Connection) -> None:
        """Set the publication's tables to those of the rules."""
        await self._publish(connection, await known_tables(connection, self._rules.tables))

    async def look(self, connection: Connection) -> SlotState | None:
        """Return its state, None: there is no such slot."""
        values = {"slot": self.name, "publication": self.publication, "tables": self._rules.tables}
        row = await (await connection.execute(_LOOK, values)).fetchone()
        return None if row is None else SlotState(row[0] or 0, row[1] or 0, row[2], row[3], tuple(row[4]))

    async def drop(self, connection: Connection) -> None:
        """Remove both: a slot that nobody reads keeps the server's log for ever."""
        await self._drop_slot(connection)
        await connection.execute(sql.SQL("drop publication if exists {}").format(sql.Identifier(self.publication)))

    async def _drop_slot(self, connection: Connection) -> None:
        # The server takes a moment to see that its reader has gone.
        for _ in range(round(_RELEASED_WITHIN_S / _LOOK_AGAIN_S)):
            try:
                await connection.execute(
                    "select pg_drop_replication_slot(slot_name) from pg_replication_slots"
                    " where slot_name = %s and database = current_database()",
                    [self.name],
                )
                return
            except errors.ObjectInUse:
                await asyncio.sleep(_LOOK_AGAIN_S)
        raise UsageError(
            f"the slot {self.name} is being read and cannot be dropped", hint="stop the processes that follow it first"
        )

    async def _publish(self, connection: Connection, known: dict[str, Table]) -> bool:
        """Return whether there was no publication."""
        row = await (await connection.execute(_PUBLISHED, {"publication": self.publication})).fetchone()
        assert row is not None
        published, is_there = row
        if is_there is not None and set(published) == set(self._rules.tables):
            return False
        version = connection.info.server_version
        tables = self._published(known if version >= _COLUMN_LISTS else None)
        name = quoted(self.publication)
        if is_there is None:
            statement = f"create publication {name} for table {tables} with ({self._options()})"
        else:
            await connection.execute(f"alter publication {name} set ({self._options()})".encode())
            statement = f"alter publication {name} set table {tables}"
        await connection.execute(statement.encode())
        return is_there is None

    def _published(self, known: dict[str, Table] | None) -> str:
        said = []
        for name in self._rules.tables:
            table = (known or {}).get(name)
            columns = set() if table is None else (table.identity | self._rules.columns(name)) & table.columns
            # Rows that show their whole identity cannot leave out columns.
            listed = columns and table is not None and not table.shows_whole_rows
            said.append(quoted(name) + (f" ({', '.join(quoted(one) for one in sorted(columns))})" if listed else ""))
        return ", ".join(said)

    def _options(self) -> str:
        # A partition's changes come as the table's that rules name.
        return f"publish = '{', '.join(self._rules.operations)}', publish_via_partition_root = true"

    async def _require_logical(self, connection: Connection) -> None:
        level = await (await connection.execute("show wal_level")).fetchone()
        if level != ("logical",):
            raise UsageError(
                f"the server's wal_level is {level[0] if level else '?'}: it cannot tell what changes",
                hint="set wal_level = logical and restart it, or use NotifyFollower, which needs no setting and costs more",
            )
