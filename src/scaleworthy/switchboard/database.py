"""Statements in the scope of one tenant, over a pool of connections.

Question: how do we ask the database something so that it can only answer about one tenant?
Answer:   `app.current_tenant` is set within the transaction of the statements and gone at its end; the policies compare it.
          Set for the session instead, it would stay with the pooled connection for whoever comes next.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal
from uuid import UUID

import psycopg
from psycopg import AsyncClientCursor, AsyncConnection
from psycopg.rows import DictRow, dict_row
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from scaleworthy.switchboard.shape import RoundTrips

Row = dict[str, Any]

SET_TENANT = "select set_config('app.current_tenant', %(tenant)s, true)"
# How long a request waits for a connection, and how many may wait: beyond that an answer would come too late for anyone.
_WAIT_S = 5.0
_WAITING_MAX = 500
_STATEMENT_MAX_MS = 15_000
# A database that went away is tried again after at most this long, then with each request that needs it.
_RECONNECT_S = 2.0


@dataclass(frozen=True, slots=True)
class Statement:
    """SQL with named places, and what goes into them."""

    text: str
    values: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why the database does not serve: it is gone, or busy with what it has."""

    state: Literal["gone", "busy"]
    reason: str


class Database:
    """The service's database, seen as the role that owns nothing. `open` before use, `close` at the end."""

    def __init__(self, dsn: str, *, connections: int, round_trips: RoundTrips) -> None:
        self._pool: AsyncConnectionPool[AsyncConnection[DictRow]] = AsyncConnectionPool(
            dsn,
            kwargs={
                "autocommit": True,
                "row_factory": dict_row,
                "connect_timeout": 2,
                "options": f"-c statement_timeout={_STATEMENT_MAX_MS} -c timezone=UTC",
            },
            min_size=connections,
            max_size=connections,
            open=False,
            timeout=_WAIT_S,
            max_waiting=_WAITING_MAX,
            reconnect_timeout=_RECONNECT_S,
            name="switchboard",
        )
        self._dsn = dsn
        self._one_message = round_trips == "one"

    async def open(self, *, wait_s: float) -> None:
        """Connect; a database that is not there within *wait_s* is connected to when it comes."""
        await self._pool.open()
        try:
            # Not the pool's own wait(): that closes the pool when it takes too long.
            async with self._pool.connection(timeout=wait_s):
                return
        except PoolTimeout:
            return

    async def close(self) -> None:
        """Close every connection."""
        await self._pool.close()

    async def replace_broken(self) -> None:
        """Check the idle connections and replace those the server has closed."""
        await self._pool.check()

    async def trouble(self, *, wait_s: float) -> Trouble | None:
        """Return what is wrong with the database, or None when it answers within *wait_s*."""
        try:
            async with self._pool.connection(timeout=wait_s) as connection:
                await connection.execute("select 1")
        except PoolTimeout:
            return await self._why_no_connection(wait_s)
        except psycopg.Error as error:
            await self._pool.check()
            return Trouble("gone", first_line(error))
        return None

    async def _why_no_connection(self, wait_s: float) -> Trouble:
        """Tell a database that is gone from one whose connections are all at work: try one outside the pool."""
        try:
            async with await AsyncConnection.connect(self._dsn, connect_timeout=2):
                waiting = self._pool.get_stats().get("requests_waiting", 0)
                return Trouble("busy", f"no connection was free within {wait_s:g} s, {waiting} requests wait for one")
        except psycopg.Error as error:
            return Trouble("gone", first_line(error))

    async def run(self, tenant: UUID, *statements: Statement) -> list[list[Row]]:
        """Run *statements* in one transaction that sees *tenant* alone; return the rows of each."""
        async with self._pool.connection() as connection:
            if self._one_message:
                return await _run_in_one_message(connection, tenant, statements)
            async with connection.transaction():
                await connection.execute(SET_TENANT, {"tenant": str(tenant)})
                return [await _rows(await connection.execute(s.text.encode(), s.values)) for s in statements]

    async def unscoped(self, statement: Statement) -> list[Row]:
        """Run a statement outside any tenant; the policies show it no tenant's rows."""
        async with self._pool.connection() as connection:
            return await _rows(await connection.execute(statement.text.encode(), statement.values))


async def _run_in_one_message(
    connection: AsyncConnection[DictRow], tenant: UUID, statements: tuple[Statement, ...]
) -> list[list[Row]]:
    """Send the setting and all statements as one simple query, which the server runs as one transaction.

    Values are bound here, by psycopg's own quoting: a message of several statements has no parameters. Four round trips
    become one.
    """
    cursor: AsyncClientCursor[DictRow] = AsyncClientCursor(connection, row_factory=dict_row)
    parts = [cursor.mogrify(SET_TENANT, {"tenant": str(tenant)})]
    parts += [cursor.mogrify(s.text.encode(), s.values) for s in statements]
    async with cursor:
        await cursor.execute(";".join(parts).encode())
        answers = []
        while cursor.nextset():
            answers.append(await _rows(cursor))
    return answers


async def _rows(cursor: psycopg.AsyncCursor[DictRow]) -> list[Row]:
    return await cursor.fetchall() if cursor.description is not None else []


def first_line(error: Exception) -> str:
    """Return what an error says, without the lines of advice that follow."""
    return str(error).strip().partition("\n")[0] or type(error).__name__
