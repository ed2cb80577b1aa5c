"""The writer and its replicas by the runtime's database part: a transaction is one message, and reads go where there is room."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import psycopg
from psycopg import AsyncConnection

from scaleworthy.runtime.database import Database, PoolExhausted, PoolSizes, SharedSessions
from scaleworthy.runtime.lsn import Session, session
from scaleworthy.series.meter import Meter
from scaleworthy.switchboard.asking import (
    STATEMENT_MAX_MS,
    TENANT_SETTING,
    WAIT_S,
    WAITING_MAX,
    Row,
    Statement,
    Trouble,
    first_line,
)


class OneMessage:
    """Setting and statements in one message, prepared; reads on any replica that has seen what their tenant wrote.

    A tenant's people look at one list: what one has saved the others should find. So a position is kept for each tenant by every process
    that wrote for it; between processes it comes with the client's own header or cookie (ReadYourWrites).
    """

    def __init__(self, dsn: str, *, connections: int, replicas: Sequence[str], meter: Meter | None) -> None:
        sizes = PoolSizes(
            write=(connections, connections),
            read=(min(2, connections), connections),
            acquire=f"{WAIT_S:g}s",
            waiting=WAITING_MAX,
        )
        self.runtime = Database(
            dsn,
            replicas=replicas,
            sizes=sizes,
            tenant_setting=TENANT_SETTING,
            statement_timeout=f"{STATEMENT_MAX_MS}ms",
            meter=meter,
        )
        self._sessions = SharedSessions() if replicas else None

    async def open(self, *, wait_s: float) -> None:
        """Connect; a database that is not there within *wait_s* is connected to when it comes."""
        await self.runtime.open()
        await self.trouble(wait_s=wait_s)

    async def close(self) -> None:
        """Close every connection."""
        await self.runtime.close()

    async def replace_broken(self) -> None:
        """Do nothing: a connection that the server has closed is replaced before it is used."""

    async def trouble(self, *, wait_s: float) -> Trouble | None:
        """Return what is wrong with the writer, or None when it answers within *wait_s*."""
        try:
            await self.runtime.reach_writer(within=f"{wait_s:g}s")
        except PoolExhausted as error:
            return Trouble("busy", first_line(error)) if error.refused is None else Trouble("gone", error.refused)
        except psycopg.Error as error:
            return Trouble("gone", first_line(error))
        return None

    def replicas(self) -> tuple[int, list[str]]:
        """Return how many replicas there are, and why some of them do not serve."""
        return self.runtime.replica_count, self.runtime.replica_troubles()

    async def run(self, tenant: str | None, statements: Sequence[Statement]) -> list[list[Row]]:
        """Run *statements* in one transaction that sees *tenant* alone; return the rows of each."""
        shared = self._sessions.enter(tenant) if self._sessions is not None and tenant is not None else None
        if self.runtime.reads_only(statements):
            return await self.runtime.read_all(statements, tenant=tenant)
        rows = await self.runtime.write_all(statements, tenant=tenant)
        _share(shared)
        return rows

    @asynccontextmanager
    async def transaction(self, tenant: str) -> AsyncIterator[AsyncConnection[Any]]:
        """Give a connection to the writer within a transaction that sees *tenant* alone."""
        shared = self._sessions.enter(tenant) if self._sessions is not None else None
        async with self.runtime.transaction(tenant=tenant) as connection:
            yield connection
        _share(shared)


def _share(shared: Session | None) -> None:
    caller = session.get()
    if shared is not None and caller is not None:
        shared.require(caller.committed)
