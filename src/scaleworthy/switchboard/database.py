"""Statements in the scope of one tenant.

Question: how do we ask the database something so that it can only answer about one tenant?
Answer:   `app.current_tenant` is set within the transaction of the statements and gone at its end; the policies compare it.
          Set for the session instead, it would stay with the pooled connection for whoever comes next.
Not here: the two ways to ask (per_statement.py, one_message.py), which give the same answers.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any
from uuid import UUID

from psycopg import AsyncConnection

from scaleworthy.series.meter import Meter
from scaleworthy.switchboard.asking import Row as Row
from scaleworthy.switchboard.asking import Statement as Statement
from scaleworthy.switchboard.asking import Trouble as Trouble
from scaleworthy.switchboard.asking import first_line as first_line
from scaleworthy.switchboard.one_message import OneMessage
from scaleworthy.switchboard.per_statement import PerStatement
from scaleworthy.switchboard.shape import RoundTrips


class Database:
    """The service's database, seen as the role that owns nothing. `open` before use, `close` at the end.

    Args:
        dsn: Of the writer.
        connections: To each server.
        round_trips: One for each statement, or one for a transaction.
        replicas: DSNs of the writer's replicas; read only where a transaction is one message.
        meter: What the pool's figures are recorded with.
    """

    def __init__(
        self,
        dsn: str,
        *,
        connections: int,
        round_trips: RoundTrips,
        replicas: Sequence[str] = (),
        meter: Meter | None = None,
    ) -> None:
        self._way: PerStatement | OneMessage = (
            OneMessage(dsn, connections=connections, replicas=replicas, meter=meter)
            if round_trips == "one"
            else PerStatement(dsn, connections=connections, meter=meter)
        )

    async def open(self, *, wait_s: float) -> None:
        """Connect; a database that is not there within *wait_s* is connected to when it comes."""
        await self._way.open(wait_s=wait_s)

    async def close(self) -> None:
        """Close every connection."""
        await self._way.close()

    async def replace_broken(self) -> None:
        """Replace idle connections that the server has closed."""
        await self._way.replace_broken()

    async def trouble(self, *, wait_s: float) -> Trouble | None:
        """Return what is wrong with the database, or None when it answers within *wait_s*."""
        return await self._way.trouble(wait_s=wait_s)

    def replicas(self) -> tuple[int, list[str]]:
        """Return how many replicas are asked, and why some of them do not serve."""
        return self._way.replicas() if isinstance(self._way, OneMessage) else (0, [])

    async def run(self, tenant: UUID, *statements: Statement) -> list[list[Row]]:
        """Run *statements* in one transaction that sees *tenant* alone; return the rows of each."""
        return await self._way.run(str(tenant), statements)

    async def unscoped(self, statement: Statement) -> list[Row]:
        """Run a statement outside any tenant; the policies show it no tenant's rows."""
        return (await self._way.run(None, [statement]))[0]

    def transaction(self, tenant: UUID) -> AbstractAsyncContextManager[AsyncConnection[Any]]:
        """Give a connection within a transaction that sees *tenant* alone: for what depends on what was read, and for bulk writes."""
        return self._way.transaction(str(tenant))
