"""A writer and its replicas as one database: reads go to any replica that has seen what the caller has written, writes to the writer.

database = Database(writer, replicas=[first, second])
async with database:
    with acting_for(tenant):
        await database.write("insert into leads (name) values (%s)", ["Ann"])
        leads = await database.read("select * from leads")   # on a replica, and Ann is there
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from typing import Any, Self

import psycopg
from psycopg.pq import TransactionStatus

from scaleworthy.runtime import tenant as tenants
from scaleworthy.runtime.database.connection import MessageConnection
from scaleworthy.runtime.database.pool import ConnectionLost, Pool, PoolExhausted, first_line
from scaleworthy.runtime.database.replica import Replica
from scaleworthy.runtime.database.routing import Pick, Router
from scaleworthy.runtime.database.sizing import PoolSizes
from scaleworthy.runtime.database.statement import may_read_replica
from scaleworthy.runtime.database.statistics import DatabaseStatistics
from scaleworthy.runtime.database.tenancy import Params, Row, Statement, scope
from scaleworthy.runtime.database.watching import Watching
from scaleworthy.runtime.lsn import parse_lsn, reading, session
from scaleworthy.series.meter import Meter
from scaleworthy.units import parse_bytes, parse_duration_ns

CURRENT: Any = object()
"""Whose rows a statement sees, where nothing is said: the tenant of the context (`runtime.tenant`), if there is one."""
_POSITION = Statement("select pg_current_wal_insert_lsn()::text as position")
_ALIVE = Statement("select 1")
# A replica that has no connection free for so long is left to those who have one; the writer answers.
_REPLICA_ACQUIRE_S = 0.25
_UNFIT_MOST = 1_000


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
        slow: Statements of this long, the wait for a connection included, are told to *on_slow* (text without values, s).
        heartbeat: How often replicas are asked how far they are.
        replica_answers: How long a replica may take to say so; then it is gone, and what it was asked is asked of the writer.
        prepare: Whether statements are prepared; not behind a pooler that does not know of prepared statements.
        meter: What `runtime.db.*` is recorded with (docs/reference/series.md).
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
        replica_answers: str = "2s",
        prepare: bool = True,
        meter: Meter | None = None,
    ) -> None:
        self.sizes = self._bounds = sizes = sizes or PoolSizes()
        self.writer_dsn = writer
        self._setting = tenant_setting
        self._watching = Watching(slow_s=parse_duration_ns(slow) / 1e9, on_slow=on_slow, meter=meter)
        timeout_ms = parse_duration_ns(statement_timeout) // 1_000_000
        pool = partial(
            Pool,
            acquire_s=sizes.acquire_s,
            idle_s=sizes.idle_s,
            waiting_most=sizes.waiting,
            prepare=prepare,
            acquired=meter.histogram("runtime.db.acquire") if meter else None,
        )
        options = f"-c statement_timeout={timeout_ms} -c timezone=UTC"
        self._writer = pool(writer, name="writer", bounds=sizes.write, options=options)
        self._pools: dict[str, Pool] = {
            # Read-only even when it has been promoted and nobody knows yet: then it would take what is lost with it.
            name: pool(dsn, name=name, bounds=sizes.read, options=f"{options} -c default_transaction_read_only=on")
            for name, dsn in ((f"replica {number}", dsn) for number, dsn in enumerate(replicas, 1))
        }
        self._router = Router(
            [
                Replica(
                    dsn,
                    name=name,
                    heartbeat_s=parse_duration_ns(heartbeat) / 1e9,
                    lag_most=parse_bytes(lag_most),
                    writer_position=lambda: self._router.writer_position,
                    on_gone=self._pools[name].cut,
                    answer_s=parse_duration_ns(replica_answers) / 1e9,
                )
                for name, dsn in zip(self._pools, replicas, strict=True)
            ],
            writer=self._writer,
            pick=pick,
            wait_s=parse_duration_ns(wait) / 1e9,
        )
        self._counts: Counter[str] = Counter()
        self._unfit: set[tuple[str, ...]] = set()
        if meter is not None:
            self._record_with(meter)

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def open(self) -> None:
        """Connect; servers that are not there are connected to when they come."""
        for pool in (self._writer, *self._pools.values()):
            await pool.open()
        self._router.start()

    async def ready(self) -> None:
        """Wait until every replica has been heard of and connected to; reads need not: until then the writer answers them.

        Raises:
            PoolExhausted: One could be heard of, but not be connected to in time.
        """
        for replica in self._router.replicas:
            await replica.ready()
            await self._pools[replica.name].run([_ALIVE])

    async def close(self) -> None:
        """Close every connection."""
        await self._router.stop()
        for pool in (self._writer, *self._pools.values()):
            await pool.close()

    async def read(self, text: str, values: Params = None, *, tenant: str | None = CURRENT) -> list[Row]:
        """Return the rows of one read; see `read_all`."""
        return (await self.read_all([Statement(text, values)], tenant=tenant))[0]

    async def read_all(self, statements: Sequence[Statement], *, tenant: str | None = CURRENT) -> list[list[Row]]:
        """Return the rows of each of *statements*, run as one transaction in one round trip.

        A replica answers if it has replayed all that the caller's session has written, or does within the wait; else the writer. What
        locks or writes goes to the writer.

        Args:
            statements: Reads.
            tenant: Whose rows they see; None: outside any tenant.

        Raises:
            PoolExhausted: No connection to the writer was free in time.
            ConnectionLost: The writer was lost twice.
            psycopg.Error: A statement failed.
        """
        scoped = self._scoped(statements, tenant)
        skip = len(scoped) - len(statements)
        if not self.reads_only(statements):
            self._counts["writer_reads"] += 1
            return (await self._on_writer(statements, scoped))[skip:]
        replica = await self._router.replica_for_caller(self._counts)
        if replica is not None:
            rows = await self._on_replica(replica, statements, scoped)
            if rows is not None:
                return rows[skip:]
        self._counts["writer_reads"] += 1
        began_ns = self._watching.now_ns()
        try:
            try:
                return (await self._writer.run(scoped))[skip:]
            except ConnectionLost:
                # A read may be asked twice.
                return (await self._writer.run(scoped))[skip:]
        finally:
            self._watching.took(statements, began_ns)

    def reads_only(self, statements: Sequence[Statement]) -> bool:
        """Return whether a replica may answer *statements*: none locks or writes, as far as their texts and experience show."""
        if self._unfit and tuple(s.text for s in statements) in self._unfit:
            return False
        return all(may_read_replica(statement.text) for statement in statements)

    async def write(self, text: str, values: Params = None, *, tenant: str | None = CURRENT) -> list[Row]:
        """Run one statement on the writer, committed when this returns; return what it returns."""
        return (await self.write_all([Statement(text, values)], tenant=tenant))[0]

    async def write_all(self, statements: Sequence[Statement], *, tenant: str | None = CURRENT) -> list[list[Row]]:
        """Run *statements* as one transaction on the writer in one round trip; what the session reads from now on has seen it.

        Raises:
            PoolExhausted: No connection was free in time; nothing was done.
            ConnectionLost: The writer was lost; whether the transaction is committed is not known.
            psycopg.Error: A statement failed; nothing of the transaction is left.
        """
        scoped = self._scoped(statements, tenant)
        rows = await self._on_writer(statements, scoped)
        self._counts["writes"] += 1
        return rows[len(scoped) - len(statements) :]

    async def reach_writer(self, *, within: str = "1s") -> None:
        """Ask the writer for a sign of life.

        Raises:
            PoolExhausted: No connection was free within the time; its `refused` says whether the writer is gone or busy.
            ConnectionLost: It broke.
        """
        try:
            await self._writer.run([_ALIVE], acquire_s=parse_duration_ns(within) / 1e9)
        except ConnectionLost:
            await self._writer.run([_ALIVE], acquire_s=parse_duration_ns(within) / 1e9)

    @asynccontextmanager
    async def transaction(self, *, tenant: str | None = CURRENT) -> AsyncIterator[MessageConnection]:
        """Give a connection to the writer within a transaction, for statements that depend on each other.

        It is committed at the end of the block and rolled back where that raises. Beginning with the scope is one round trip, committing
        another.

        Raises:
            psycopg.errors.InFailedSqlTransaction: The block ended well, but a statement in it had failed: nothing was kept.
        """
        async with self._writer.connection() as connection:
            await connection.run(self._scoped([], tenant, first=[Statement("begin")]))
            connection.watching = self._watching
            try:
                yield connection
                if connection.pgconn.transaction_status == TransactionStatus.INERROR:
                    raise psycopg.errors.InFailedSqlTransaction(
                        "a statement of this transaction failed, and the block went on: it was rolled back"
                    )
            except BaseException:
                if not connection.closed:
                    await connection.rollback()
                raise
            finally:
                connection.watching = None
            rows = await connection.run([Statement("commit")], then=_POSITION)
            self._counts["writes"] += 1
            self._router.written(parse_lsn(rows[-1][0]["position"]))

    async def fit(self, *, processes: int = 1, cores: int, bounds: PoolSizes | None = None) -> PoolSizes:
        """Set the most connections of each pool to what was measured since the last time; return the sizes.

        The fewest with which one request in twenty waits, by the time connections were held (sizing.py), within *bounds* (the sizes it
        was made with), and no more than four statements at work for each core of the server.

        Args:
            processes: How many serve this load, each with such pools.
            cores: Of each server's machine.
            bounds: Never fewer, never more.
        """
        limits = bounds or self._bounds
        write = self._writer.usage.size(self.sizes.write, processes=processes, cores=cores, bounds=limits.write)
        await self._writer.resize(write)
        read = self.sizes.read
        wanted = [
            pool.usage.size(read, processes=processes, cores=cores, bounds=limits.read) for pool in self._pools.values()
        ]
        if wanted:
            read = (read[0], max(most for _, most in wanted))
        for pool in self._pools.values():
            await pool.resize(read)
        self.sizes = replace(self.sizes, write=write, read=read)
        return self.sizes

    def statistics(self) -> DatabaseStatistics:
        """Return the counts."""
        names = ("replica_reads", "writer_reads", "too_late", "failed_over", "unfit", "writes", "waited")
        pools = {pool.name: pool.statistics() for pool in (self._writer, *self._pools.values())}
        return DatabaseStatistics(**{name: self._counts[name] for name in names}, pools=pools)

    @property
    def replica_count(self) -> int:
        """How many replicas it has, those left out among them."""
        return len(self._router.replicas)

    def replica_troubles(self) -> list[str]:
        """Return which replicas are left out, each with the reason."""
        return [replica.trouble for replica in self._router.replicas if replica.trouble is not None]

    def trouble(self) -> str | None:
        """Return why the writer cannot be connected to, and which replicas are left out and why; None: all serve."""
        said = [self._writer.trouble] if self._writer.trouble is not None else []
        return "; ".join([*said, *self.replica_troubles()]) or None

    def _scoped(
        self, statements: Sequence[Statement], tenant: str | None, *, first: Sequence[Statement] = ()
    ) -> list[Statement]:
        owner = tenants.current.get() if tenant is CURRENT else tenant
        scoped = [] if owner is None else [scope(self._setting, owner)]
        return [*first, *scoped, *statements]

    async def _on_writer(self, statements: Sequence[Statement], scoped: Sequence[Statement]) -> list[list[Row]]:
        """Run what may write, and note the position after its commit where somebody may have to see it elsewhere."""
        then = _POSITION if self._pools or session.get() is not None else None
        began_ns = self._watching.now_ns()
        try:
            rows = await self._writer.run(scoped, then=then)
        finally:
            self._watching.took(statements, began_ns)
        if then is not None:
            self._router.written(parse_lsn(rows.pop()[0]["position"]))
        return rows

    async def _on_replica(
        self, replica: Replica, statements: Sequence[Statement], scoped: Sequence[Statement]
    ) -> list[list[Row]] | None:
        """Return what *replica* answers; None: the writer has to."""
        # As it was before the statement began: what it sees is this or later.
        seen = replica.position
        replica.at_work += 1
        began_ns = self._watching.now_ns()
        try:
            rows = await self._pools[replica.name].run(scoped, acquire_s=_REPLICA_ACQUIRE_S)
        except psycopg.errors.ReadOnlySqlTransaction:
            self._counts["unfit"] += 1
            if len(self._unfit) < _UNFIT_MOST:
                self._unfit.add(tuple(s.text for s in statements))
            # Asked as for a write: its position counts.
            self._counts["writer_reads"] += 1
            return await self._on_writer(statements, scoped)
        except ConnectionLost as error:
            replica.left_out(first_line(error).removeprefix(f"{replica.name}: "))
        except (PoolExhausted, psycopg.errors.SerializationFailure):
            pass  # It is busy, or its replay took away what the statement was reading: it stays.
        else:
            self._counts["replica_reads"] += 1
            noted = reading.get()
            if noted is not None:
                noted.note(seen)
            return rows
        finally:
            replica.at_work -= 1
            self._watching.took(statements, began_ns)
        self._counts["failed_over"] += 1
        return None

    def _record_with(self, meter: Meter) -> None:
        for what in ("replica_reads", "writer_reads", "writes", "too_late", "failed_over"):
            meter.gauge("runtime.db.asked", "requests", partial(self._counted, what), what=what)
        for pool in (self._writer, *self._pools.values()):
            for state in ("connections", "at_work", "waiting"):
                meter.gauge(
                    "runtime.db.connections", "connections", partial(_of, pool, state), pool=pool.name, state=state
                )
        for replica in self._router.replicas:
            meter.gauge("runtime.db.replica_lag", "bytes", partial(_lag, replica), replica=replica.name)

    def _counted(self, what: str) -> float:
        return float(self._counts[what])


def _of(pool: Pool, state: str) -> float:
    return float(getattr(pool.statistics(), state))


def _lag(replica: Replica) -> float:
    return float(replica.lag_bytes)
