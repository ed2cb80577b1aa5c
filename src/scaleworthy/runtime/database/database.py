"""A writer and its replicas as one database: reads go to any replica that has seen what the caller has written, writes to the writer.

database = Database(writer, replicas=[first, second])
async with database:
    with acting_for(tenant):
        await database.write("insert into leads (name) values (%s)", ["Ann"])
        leads = await database.read("select * from leads")   # on a replica, and Ann is there
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Self

import psycopg
from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from scaleworthy.runtime import tenant as tenants
from scaleworthy.runtime.database.replica import Replica
from scaleworthy.runtime.database.routing import Pick, choose
from scaleworthy.runtime.database.sizing import PoolSizes
from scaleworthy.runtime.database.statement import may_read_replica
from scaleworthy.runtime.database.tenancy import (
    Params,
    Row,
    Statement,
    read_in_one_message,
    scope,
    write_in_one_message,
)
from scaleworthy.runtime.database.watching import Watching
from scaleworthy.runtime.lsn import parse_lsn, reading, session
from scaleworthy.units import parse_bytes, parse_duration_ns

Pool = AsyncConnectionPool[AsyncConnection[Any]]
CURRENT: Any = object()
"""Whose rows a statement sees, where nothing is said: the tenant of the context (`runtime.tenant`), if there is one."""


@dataclass(frozen=True, slots=True)
class DatabaseStatistics:
    """Counts since it was opened.

    `replica_reads` + `writer_reads` are all reads; of the latter `too_late` found no replica that had seen the caller's writes in time,
    `unfit` were refused by a replica because they write.
    """

    replica_reads: int
    writer_reads: int
    too_late: int
    unfit: int
    writes: int
    waited: int

    @property
    def replica_share(self) -> float | None:
        """Share of reads that replicas answered; None before the first."""
        reads = self.replica_reads + self.writer_reads
        return self.replica_reads / reads if reads else None


class Database:
    """Pools and routing. `async with` opens it.

    Args:
        writer: DSN.
        replicas: DSNs of its streaming replicas.
        sizes: Of the pools.
        lag_most: A replica further behind is left out until it has caught up.
        wait: How long a read waits for a replica to reach what the caller has written, before the writer is asked.
        pick: Which of several replicas that may answer: the one with the fewest at work, or each in turn.
        tenant_setting: The setting that row-level security compares.
        statement_timeout: After which the server gives a statement up.
        slow: Statements of this long are told to *on_slow* (text without values, s).
        heartbeat: How often servers are asked how far they are.
    """

    def __init__(
        self,
        writer: str,
        *,
        replicas: Sequence[str] = (),
        sizes: PoolSizes | None = None,
        lag_most: str = "1MB",
        wait: str = "20ms",
        pick: Pick = "least-busy",
        tenant_setting: str = "app.current_tenant",
        statement_timeout: str = "15s",
        slow: str = "200ms",
        on_slow: Callable[[str, float], None] | None = None,
        heartbeat: str = "100ms",
    ) -> None:
        sizes = sizes or PoolSizes()
        self.writer_dsn = writer
        self._setting = tenant_setting
        self._wait_s = parse_duration_ns(wait) / 1e9
        self._heartbeat_s = parse_duration_ns(heartbeat) / 1e9
        self._pick: Pick = pick
        self._writer_position = 0
        self._watching = Watching(slow_s=parse_duration_ns(slow) / 1e9, on_slow=on_slow)
        timeout_ms = parse_duration_ns(statement_timeout) // 1_000_000

        def pool(dsn: str, name: str, bounds: tuple[int, int]) -> Pool:
            return AsyncConnectionPool(
                dsn,
                kwargs={
                    "autocommit": True,
                    "connect_timeout": 2,
                    "options": f"-c statement_timeout={timeout_ms} -c timezone=UTC",
                },
                min_size=bounds[0],
                max_size=bounds[1],
                timeout=sizes.acquire_s,
                max_idle=sizes.idle_s,
                reconnect_timeout=2,
                open=False,
                name=name,
            )

        self._writer = pool(writer, "writer", sizes.write)
        self._replicas = [
            Replica(
                dsn,
                name=f"replica {number}",
                heartbeat_s=self._heartbeat_s,
                lag_most=parse_bytes(lag_most),
                writer_position=lambda: self._writer_position,
            )
            for number, dsn in enumerate(replicas, 1)
        ]
        self._pools = {
            replica: pool(dsn, replica.name, sizes.read) for replica, dsn in zip(self._replicas, replicas, strict=True)
        }
        self._turn = 0
        self._beat: asyncio.Task[None] | None = None
        self._counts: dict[str, int] = dict.fromkeys(
            ("replica_reads", "writer_reads", "too_late", "unfit", "writes", "waited"), 0
        )
        self._unfit: set[str] = set()

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def open(self) -> None:
        """Connect; servers that are not there are connected to when they come."""
        for pool in (self._writer, *self._pools.values()):
            await pool.open()
        for replica in self._replicas:
            replica.start()
        if self._replicas:
            self._beat = asyncio.create_task(self._follow_writer())

    async def ready(self) -> None:
        """Wait until every replica has been heard of; reads need not: until then the writer answers them."""
        for replica in self._replicas:
            await replica.ready()

    async def close(self) -> None:
        """Close every connection."""
        if self._beat is not None:
            self._beat.cancel()
            await asyncio.gather(self._beat, return_exceptions=True)
        for replica in self._replicas:
            await replica.stop()
        for pool in (self._writer, *self._pools.values()):
            await pool.close()

    async def read(self, text: str, values: Params = None, *, tenant: str | None = CURRENT) -> list[Row]:
        """Return the rows of one read; see `read_all`."""
        return (await self.read_all([Statement(text, values)], tenant=tenant))[0]

    async def read_all(self, statements: Sequence[Statement], *, tenant: str | None = CURRENT) -> list[list[Row]]:
        """Return the rows of each of *statements*, seen at one moment, in one round trip.

        A replica answers if it has replayed all that the caller's session has written, or does within the wait; else the writer. What
        locks or writes goes to the writer.

        Args:
            statements: Reads.
            tenant: Whose rows they see; None: outside any tenant.
        """
        scoped = self._scope(tenant)
        fit = all(may_read_replica(s.text) and s.text not in self._unfit for s in statements)
        replica = await self._replica_for_caller() if fit else None
        if replica is not None:
            try:
                rows = await self._on_replica(replica, statements, scoped)
            except psycopg.errors.ReadOnlySqlTransaction:
                self._counts["unfit"] += 1
                self._unfit.update(s.text for s in statements)
            except (psycopg.OperationalError, PoolTimeout) as error:
                replica.left_out(str(error).partition("\n")[0])
            else:
                self._counts["replica_reads"] += 1
                return rows
        self._counts["writer_reads"] += 1
        async with self._writer.connection() as connection:
            with self._watching.of(statements):
                return await read_in_one_message(connection, statements, scope=scoped)

    async def write(self, text: str, values: Params = None, *, tenant: str | None = CURRENT) -> list[Row]:
        """Run one statement on the writer, committed when this returns; return what it returns."""
        return (await self.write_all([Statement(text, values)], tenant=tenant))[0]

    async def write_all(self, statements: Sequence[Statement], *, tenant: str | None = CURRENT) -> list[list[Row]]:
        """Run *statements* as one transaction on the writer in one round trip; what the session reads from now on has seen it."""
        async with self._writer.connection() as connection:
            with self._watching.of(statements):
                rows, position = await write_in_one_message(connection, statements, scope=self._scope(tenant))
        self._written(position)
        return rows

    @asynccontextmanager
    async def transaction(self, *, tenant: str | None = CURRENT) -> AsyncIterator[AsyncConnection[Any]]:
        """Give a connection to the writer within a transaction, for statements that depend on each other."""
        scoped = self._scope(tenant)
        async with self._writer.connection() as connection:
            async with connection.transaction():
                if scoped is not None:
                    await connection.execute(scoped.text, scoped.values)
                yield connection
            row = await (await connection.execute("select pg_current_wal_insert_lsn()::text")).fetchone()
            assert row is not None
            self._written(parse_lsn(row[0]))

    def statistics(self) -> DatabaseStatistics:
        """Return the counts."""
        return DatabaseStatistics(**self._counts)

    def trouble(self) -> str | None:
        """Return which replicas are left out and why; None: all serve."""
        return "; ".join(replica.trouble for replica in self._replicas if replica.trouble) or None

    def _scope(self, tenant: str | None) -> Statement | None:
        owner = tenants.current.get() if tenant is CURRENT else tenant
        return None if owner is None else scope(self._setting, owner)

    def _written(self, position: int) -> None:
        self._counts["writes"] += 1
        self._writer_position = max(self._writer_position, position)
        caller = session.get()
        if caller is not None:
            caller.raise_to(position)

    async def _replica_for_caller(self) -> Replica | None:
        serving = [replica for replica in self._replicas if replica.trouble is None]
        if not serving:
            return None
        caller = session.get()
        needed = caller.position if caller is not None else 0
        ready = [replica for replica in serving if replica.position >= needed]
        if not ready:
            self._counts["waited"] += 1
            nearest = max(serving, key=lambda replica: replica.position)
            if not await nearest.reach(needed, within_s=self._wait_s):
                self._counts["too_late"] += 1
                return None
            ready = [nearest]
        self._turn += 1
        return choose(ready, self._pick, turn=self._turn)

    async def _on_replica(
        self, replica: Replica, statements: Sequence[Statement], scoped: Statement | None
    ) -> list[list[Row]]:
        noted = reading.get()
        if noted is not None:
            # As it was before the statement began: what it sees is this or later.
            noted.note(replica.position)
        replica.at_work += 1
        try:
            async with self._pools[replica].connection() as connection:
                with self._watching.of(statements):
                    return await read_in_one_message(connection, statements, scope=scoped)
        finally:
            replica.at_work -= 1

    async def _follow_writer(self) -> None:
        """Ask the writer how far it is, so that a replica's lag is known when this process writes nothing."""
        while True:
            try:
                async with self._writer.connection(timeout=2) as connection:
                    row = await (await connection.execute("select pg_current_wal_lsn()::text")).fetchone()
                    assert row is not None
                    self._writer_position = max(self._writer_position, parse_lsn(row[0]))
            except (psycopg.Error, PoolTimeout):
                pass
            await asyncio.sleep(self._heartbeat_s * 5)
