"""Concurrent single inserts as one statement: group commit across requests.

While one statement is under way the rows of others gather; the next statement takes them all. So an insert that comes alone waits for
nothing, and many at once share a round trip and a commit. Each caller gets its own row back, or its own error.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import AsyncConnection, sql
from psycopg.rows import dict_row
from psycopg_pool import AsyncConnectionPool

from scaleworthy.errors import InvalidInput, ScaleworthyError
from scaleworthy.runtime import tenant as tenants
from scaleworthy.runtime.bulk.outcome import is_of_a_row
from scaleworthy.runtime.bulk.tables import Target, named, target

Row = dict[str, Any]


class Overloaded(ScaleworthyError):
    """More rows wait than may; this one was not taken."""


@dataclass(frozen=True, slots=True)
class CoalescerStatistics:
    """Counts since it was made; `rows` / `statements` is what one statement carried on average."""

    rows: int
    statements: int
    failed: int
    waiting: int


@dataclass(slots=True)
class _Waiting:
    values: tuple[Any, ...]
    tenant: str | None
    answer: asyncio.Future[Row]


class InsertCoalescer:
    """Inserts into one table, of the same columns.

    Args:
        pool: Of connections to the writer (psycopg_pool, autocommit), opened and closed by its owner.
        table: Its name.
        columns: Which are given with each row.
        returning: Which come back.
        together: Most rows of one statement.
        flights: How many statements may be under way at once.
        waiting_most: Beyond so many waiting rows `insert` raises at once.
        tenant_setting: Set to the tenant of each row's context (`runtime.tenant`), if it has one: rows of several tenants go in one
            message, in one transaction, each under its own tenant's row-level security.
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
        tenant_setting: str = "app.current_tenant",
    ) -> None:
        if not columns:
            raise InvalidInput("inserts cannot be joined", ["columns: at least one is wanted, got none"])
        self._pool = pool
        self._table = table
        self._columns = tuple(columns)
        self._returning = tuple(returning)
        self._together = together
        self._waiting_most = waiting_most
        self._setting = tenant_setting
        self._waiting: deque[_Waiting] = deque()
        self._free = flights
        self._flying: set[asyncio.Task[None]] = set()
        self._target: Target | None = None
        self._rows = self._statements = self._failed = 0

    async def insert(self, row: Mapping[str, Any]) -> Row:
        """Insert *row*; return what comes back of it, once it is committed.

        Raises:
            Overloaded: Too many wait already.
            KeyError: A column is missing.
            psycopg.Error: This row cannot be in; it keeps no other from being.
        """
        if len(self._waiting) >= self._waiting_most:
            raise Overloaded(
                f"{len(self._waiting):,} rows wait for {self._table}, and no more may",
                hint="refuse work earlier (runtime.http.Shedding), or let more statements be under way",
            )
        answer: asyncio.Future[Row] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Waiting(tuple(row[column] for column in self._columns), tenants.current.get(), answer))
        if self._free:
            self._free -= 1
            # Those who ask in the same turn of the loop go along.
            flight = asyncio.ensure_future(self._fly())
            self._flying.add(flight)
            flight.add_done_callback(self._flying.discard)
        return await answer

    async def close(self) -> None:
        """Wait for what is under way."""
        while self._flying:
            await asyncio.wait(set(self._flying))

    def statistics(self) -> CoalescerStatistics:
        """Return the counts."""
        return CoalescerStatistics(self._rows, self._statements, self._failed, len(self._waiting))

    async def _fly(self) -> None:
        try:
            while self._waiting:
                batch = [self._waiting.popleft() for _ in range(min(self._together, len(self._waiting)))]
                batch = [one for one in batch if not one.answer.done()]
                if batch:
                    await self._carry(batch)
        finally:
            self._free += 1

    async def _carry(self, batch: list[_Waiting]) -> None:
        try:
            async with self._pool.connection() as connection:
                if self._target is None:
                    self._target = await target(connection, self._table, self._columns)
                await self._insert(connection, batch)
        except BaseException as error:
            for one in batch:
                if not one.answer.done():
                    one.answer.set_exception(error if isinstance(error, Exception) else ConnectionError("it was ended"))
            if not isinstance(error, Exception):
                raise

    async def _insert(self, connection: AsyncConnection[Any], batch: list[_Waiting]) -> None:
        """Insert *batch* together; where one row cannot be, halves by themselves."""
        try:
            rows = await self._statement(connection, batch)
        except psycopg.Error as error:
            if not is_of_a_row(error):
                raise
            if len(batch) == 1:
                self._failed += 1
                if not batch[0].answer.done():
                    batch[0].answer.set_exception(error)
                return
            middle = len(batch) // 2
            await self._insert(connection, batch[:middle])
            await self._insert(connection, batch[middle:])
            return
        self._rows += len(batch)
        for one, row in zip(batch, rows, strict=True):
            if not one.answer.done():
                one.answer.set_result(row)

    async def _statement(self, connection: AsyncConnection[Any], batch: list[_Waiting]) -> list[Row]:
        """Send *batch* as one message, which the server runs as one transaction; return the rows in the order of *batch*."""
        assert self._target is not None
        self._statements += 1
        by_tenant: dict[str | None, list[int]] = {}
        for place, one in enumerate(batch):
            by_tenant.setdefault(one.tenant, []).append(place)
        cursor = psycopg.AsyncClientCursor(connection, row_factory=dict_row)
        async with cursor:
            parts = []
            for tenant, places in by_tenant.items():
                parts.append(cursor.mogrify("select set_config(%s, %s, true)", (self._setting, tenant or "")))
                columns = [list(values) for values in zip(*(batch[place].values for place in places), strict=True)]
                parts.append(cursor.mogrify(self._insert_text(), columns))
            await cursor.execute(";".join(parts).encode())
            answers: list[Row] = [{}] * len(batch)
            for places in by_tenant.values():
                cursor.nextset()
                for place, row in zip(places, await cursor.fetchall(), strict=True):
                    answers[place] = row
                cursor.nextset()
            return answers

    def _insert_text(self) -> sql.Composed:
        """Return the INSERT; rows are taken in the order of their arrays, and come back in it."""
        assert self._target is not None
        arrays = sql.SQL(", ").join(sql.SQL("%s::") + sql.SQL(kind) + sql.SQL("[]") for kind in self._target.types)
        return sql.SQL(
            "insert into {table} ({columns}) select {columns} from unnest({arrays}) with ordinality as given ({columns}, place)"
            " order by place returning {returning}"
        ).format(
            table=named(self._table),
            columns=self._target.listed,
            arrays=arrays,
            returning=sql.SQL(", ").join(map(sql.Identifier, self._returning)),
        )
