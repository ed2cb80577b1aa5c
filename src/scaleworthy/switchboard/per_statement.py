"""A pool of connections, and a round trip for each statement: how a backend asks its database on its first day."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import psycopg
from psycopg import AsyncConnection
from psycopg.conninfo import conninfo_to_dict
from psycopg.rows import DictRow, dict_row
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from scaleworthy.series.meter import Meter
from scaleworthy.switchboard.asking import (
    RECONNECT_S,
    SET_TENANT,
    STATEMENT_MAX_MS,
    WAIT_S,
    WAITING_MAX,
    Row,
    Statement,
    Trouble,
    first_line,
)


class PerStatement:
    """BEGIN, set_config, each statement and COMMIT, one by one, on the writer."""

    def __init__(self, dsn: str, *, connections: int, meter: Meter | None) -> None:
        given = conninfo_to_dict(dsn).get("options") or ""
        self._pool: AsyncConnectionPool[AsyncConnection[DictRow]] = AsyncConnectionPool(
            dsn,
            kwargs={
                "autocommit": True,
                "row_factory": dict_row,
                "connect_timeout": 2,
                "options": f"-c statement_timeout={STATEMENT_MAX_MS} -c timezone=UTC {given}",
            },
            min_size=connections,
            max_size=connections,
            open=False,
            timeout=WAIT_S,
            max_waiting=WAITING_MAX,
            reconnect_timeout=RECONNECT_S,
            name="switchboard",
        )
        self._dsn = dsn
        if meter is not None:
            for state in ("connections", "at_work", "waiting"):
                meter.gauge(
                    "runtime.db.connections", "connections", partial(self._now, state), pool="writer", state=state
                )

    def _now(self, state: str) -> float:
        """Return how many of its connections there are, are at work, or are waited for."""
        told = self._pool.get_stats()
        size = told.get("pool_size", 0)
        at_work = size - told.get("pool_available", 0)
        return float({"connections": size, "at_work": at_work, "waiting": told.get("requests_waiting", 0)}[state])

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[AsyncConnection[DictRow]]:
        """Give one of the pool.

        Raises:
            psycopg.OperationalError: None was free in time, and while it was waited for none could be made: the server is gone.
        """
        failures = self._failures()
        try:
            async with self._pool.connection() as connection:
                yield connection
        except PoolTimeout as error:
            if self._failures() > failures:
                raise psycopg.OperationalError("connecting fails") from error
            raise

    def _failures(self) -> int:
        """Return how often a connection could not be made."""
        return self._pool.get_stats().get("connections_errors", 0)

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

    async def run(self, tenant: str | None, statements: Sequence[Statement]) -> list[list[Row]]:
        """Run *statements* in one transaction that sees *tenant* alone; return the rows of each."""
        async with self._connection() as connection:
            if tenant is None:
                return [await _rows(await connection.execute(s.text.encode(), s.values)) for s in statements]
            async with connection.transaction():
                await connection.execute(SET_TENANT, {"tenant": tenant})
                return [await _rows(await connection.execute(s.text.encode(), s.values)) for s in statements]

    @asynccontextmanager
    async def transaction(self, tenant: str) -> AsyncIterator[AsyncConnection[Any]]:
        """Give a connection within a transaction that sees *tenant* alone."""
        async with self._connection() as connection, connection.transaction():
            await connection.execute(SET_TENANT, {"tenant": tenant})
            yield connection


async def _rows(cursor: psycopg.AsyncCursor[DictRow]) -> list[Row]:
    return await cursor.fetchall() if cursor.description is not None else []
