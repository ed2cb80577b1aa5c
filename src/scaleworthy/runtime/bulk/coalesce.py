"""Concurrent single inserts as one statement: group commit across requests.

While one statement is under way the rows of others gather; the next statement takes them all. So an insert that comes alone waits for
nothing, and many at once share a round trip and a commit. Each caller gets its own row back, or its own error.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import psycopg
from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from scaleworthy.errors import InvalidInput, ScaleworthyError
from scaleworthy.runtime import tenant as tenants
from scaleworthy.runtime.bulk.create import taker
from scaleworthy.runtime.bulk.joined import JoinedInsert, Row, Waiting
from scaleworthy.runtime.bulk.outcome import is_of_a_row
from scaleworthy.runtime.bulk.texts import is_unsendable
from scaleworthy.series.meter import Meter
from scaleworthy.units import parse_duration_ns

# Another statement begins beside those under way once so many rows wait for it: below that, one after the other carries more a second.
_WORTH: Final = 128
# … or once the first of them waits so long: a statement may be held up by a lock of somebody else's.
_HURRY_S: Final = 0.005
# A connection goes back to its pool after so many statements, so that others get one and the pool can retire it.
_STAY: Final = 200


_NOT_AUTOCOMMIT: Final = InvalidInput(
    "inserts cannot be joined", ["pool: its connections must be in autocommit, for a row is in when its insert returns"]
)


class Overloaded(ScaleworthyError):
    """More rows wait than may; this one was not taken."""


@dataclass(frozen=True, slots=True)
class CoalescerStatistics:
    """Counts since it was made; `rows` / `statements` is what one statement carried on average."""

    rows: int
    statements: int
    failed: int
    waiting: int


class InsertCoalescer:
    """Inserts into one table, of the same columns.

    A row is in when its `insert` returns. Where `insert` raises it is not, with one exception that no client of a database is spared: if
    the connection is lost between the COMMIT and its answer, it may be; and one of tables whose triggers leave rows out (`LeftOut`). A
    caller who is cancelled while its row waits takes it along; once its statement is under way it may be in.

    Args:
        pool: Of connections to the writer (psycopg_pool, autocommit), opened and closed by its owner. *flights* of them are used at most.
        table: Its name, with its schema where it is not on the search path.
        columns: Which are given with each row.
        returning: Which come back.
        together: Most rows of one statement.
        flights: How many statements may be under way at once.
        waiting_most: Beyond so many waiting rows `insert` raises at once.
        patience: How long rows wait for a connection of the pool.
        tenant_setting: Set to the tenant of each row's context (`runtime.tenant`), if it has one: rows of several tenants share a round
            trip and a commit, but each tenant's are a statement of their own, under its own row-level security.
        meter: Counts rows and statements.
    """

    def __init__(
        self,
        pool: AsyncConnectionPool[AsyncConnection[Any]],
        table: str,
        columns: Sequence[str],
        *,
        returning: Sequence[str] = ("id",),
        together: int = 1_000,
        flights: int = 2,
        waiting_most: int = 100_000,
        patience: str = "5s",
        tenant_setting: str = "app.current_tenant",
        meter: Meter | None = None,
    ) -> None:
        _require(columns=columns, returning=returning, together=together, flights=flights, waiting_most=waiting_most)
        self._pool = pool
        self._table = table
        self._take = taker(columns)
        self._insert = JoinedInsert(table, columns, returning, tenant_setting)
        self._together = together
        self._waiting_most = waiting_most
        self._patience_s = parse_duration_ns(patience) / 1e9
        self._waiting: deque[Waiting] = deque()
        self._flights = self._free = flights
        self._starting = 0
        self._loop: asyncio.AbstractEventLoop
        self._hurry: asyncio.TimerHandle | None = None
        self._flying: set[asyncio.Task[None]] = set()
        self._rows = self._statements = self._failed = 0
        self._trouble: str | None = None
        self._counted = None
        if meter is not None:
            self._counted = (
                meter.counter("runtime.bulk.rows", "rows", table=table, outcome="in"),
                meter.counter("runtime.bulk.rows", "rows", table=table, outcome="failed"),
                meter.counter("runtime.bulk.statements", "statements", table=table),
            )
            meter.gauge("runtime.bulk.waiting", "rows", lambda: float(len(self._waiting)), table=table)

    async def insert(self, row: Mapping[str, Any]) -> Row:
        """Insert *row*; return what comes back of it, once it is committed.

        Raises:
            Overloaded: Too many wait already.
            KeyError: A column is missing.
            LeftOut: A trigger of the table left rows of the statement out; this one may be in.
            psycopg.Error: This row cannot be in, which keeps no other from being; or the database is not there.
            PoolTimeout: No connection was free in time.
        """
        values, waiting = self._take(row), self._waiting
        if len(waiting) >= self._waiting_most:
            raise Overloaded(
                f"{len(waiting):,} rows wait for {self._table}, and no more may",
                hint="refuse work earlier (runtime.http.Shedding), or let more statements be under way",
            )
        # While rows fly their loop is this one. To ask which runs costs a system call before Python 3.12.
        if not self._flying:
            self._loop = asyncio.get_running_loop()
        answer: asyncio.Future[Row] = self._loop.create_future()
        waiting.append((values, tenants.current.get(), answer))
        if self._free:
            if len(waiting) > (self._flights - self._free) * _WORTH:
                self._start()
            else:
                self._hurry_up()
        return await answer

    def _start(self) -> None:
        """Begin a flight; who asks in the same turn of the loop goes along."""
        self._stop_hurry()
        if self._free and self._waiting:
            self._free -= 1
            self._starting += 1
            flight = asyncio.ensure_future(self._fly())
            self._flying.add(flight)
            flight.add_done_callback(self._flying.discard)

    def _hurry_up(self) -> None:
        if self._free and self._hurry is None:
            self._hurry = self._loop.call_later(_HURRY_S, self._start)

    def _stop_hurry(self) -> None:
        if self._hurry is not None:
            self._hurry.cancel()
            self._hurry = None

    async def close(self) -> None:
        """Wait until every row has its answer."""
        while self._flying:
            await asyncio.wait(set(self._flying))

    def statistics(self) -> CoalescerStatistics:
        """Return the counts."""
        return CoalescerStatistics(self._rows, self._statements, self._failed, len(self._waiting))

    def trouble(self) -> str | None:
        """Return why rows are not written: what the last statement failed of, if no row was to blame; None: they are."""
        return self._trouble

    async def _fly(self) -> None:
        """Carry rows while there are any, on one connection at a time."""
        started = False
        try:
            while self._waiting:
                async with self._pool.connection(timeout=self._patience_s) as connection:
                    if not connection.autocommit:
                        raise _NOT_AUTOCOMMIT
                    for _ in range(_STAY):
                        batch = self._batch()
                        if not started:
                            started, self._starting = True, self._starting - 1
                        if batch:
                            await self._carry(connection, batch)
                            # Whoever got an answer may have the next row ready: it goes along without a new start.
                            await asyncio.sleep(0)
                        if not self._waiting or connection.closed:
                            break
        except BaseException as error:
            self._give_up(error, others=self._flights - self._free - self._starting - started)
            if not isinstance(error, Exception):
                raise
        finally:
            self._starting -= not started
            self._free += 1

    def _batch(self) -> list[Waiting]:
        """Take the rows that wait, leaving a share to flights that are about to start; those whose callers have gone are dropped."""
        waiting = self._waiting
        self._stop_hurry()
        share = -(-len(waiting) // max(self._starting, 1))
        count = min(self._together, share)
        if count < len(waiting):
            taken = [waiting.popleft() for _ in range(count)]
            # Nobody may come to start those that are left: if this flight is held up, another takes them.
            self._hurry_up()
        else:
            taken = list(waiting)
            waiting.clear()
        return [one for one in taken if not one[2].done()]

    async def _carry(self, connection: AsyncConnection[Any], batch: list[Waiting]) -> None:
        """Give each of *batch* its answer; where a row cannot be in, halves go by themselves."""
        halves = [batch]
        try:
            while halves:
                part = halves.pop()
                self._statements += 1
                if self._counted:
                    self._counted[2].add()
                try:
                    rows = await self._insert.run(connection, part)
                except Exception as error:
                    if not (is_unsendable(error) or (isinstance(error, psycopg.Error) and is_of_a_row(error))):
                        raise
                    if len(part) == 1:
                        self._answer_failed(part, error)
                    else:
                        middle = len(part) // 2
                        halves += [part[middle:], part[:middle]]
                else:
                    self._answer(part, rows)
        except BaseException as error:
            self._insert.forget()
            self._trouble = str(error).partition("\n")[0] or type(error).__name__
            for left in (part, *halves):
                self._answer_failed(left, error)
            if not isinstance(error, Exception):
                raise
            if isinstance(error, psycopg.errors.FeatureNotSupported):
                # A statement that was prepared before the table changed; a new connection prepares it anew.
                await connection.close()

    def _answer(self, part: list[Waiting], rows: list[Row]) -> None:
        self._trouble = None
        self._rows += len(part)
        if self._counted:
            self._counted[0].add(len(part))
        for (_, _, answer), row in zip(part, rows, strict=True):
            if not answer.done():
                answer.set_result(row)

    def _answer_failed(self, part: list[Waiting], error: BaseException) -> None:
        self._failed += len(part)
        if self._counted:
            self._counted[1].add(len(part))
        for _, _, answer in part:
            if not answer.done():
                answer.set_exception(_own(error, alone=len(part) == 1))

    def _give_up(self, error: BaseException, *, others: int) -> None:
        """No connection is to be had. Where another flight has one, it takes the rows; else they have waited long enough."""
        self._trouble = str(error).partition("\n")[0] or type(error).__name__
        if others and isinstance(error, PoolTimeout):
            return
        self._stop_hurry()
        left, self._waiting = list(self._waiting), deque()
        self._answer_failed([one for one in left if not one[2].done()], error)


def _own(error: BaseException, *, alone: bool) -> Exception:
    """Return *error* for one of those it concerns: raised to each, one object would gather all their tracebacks."""
    if not isinstance(error, Exception):
        return ConnectionError("the process that was writing rows was ended")
    if alone:
        return error
    # Made without its constructor, which may want other arguments than those it keeps.
    own = type(error).__new__(type(error))
    own.args = error.args
    own.__dict__.update(error.__dict__)
    own.__cause__ = error
    return own


def _require(*, columns: Sequence[str], returning: Sequence[str], **least: int) -> None:
    problems = [
        f"{name}: at least one is wanted, got none"
        for name, given in (("columns", columns), ("returning", returning))
        if not given
    ]
    problems += [f"{name}: at least 1 is wanted, got {value}" for name, value in least.items() if value < 1]
    if problems:
        raise InvalidInput("inserts cannot be joined", problems)
