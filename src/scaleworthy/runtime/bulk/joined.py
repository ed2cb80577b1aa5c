"""The statement that carries many callers' rows, and how each finds its own again."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, TypeAlias

from psycopg import AsyncConnection, AsyncCursor, sql
from psycopg.rows import RowMaker

from scaleworthy.errors import ScaleworthyError
from scaleworthy.runtime.bulk.tables import Target, named, target
from scaleworthy.runtime.bulk.texts import Texts, Values

Row: TypeAlias = dict[str, Any]
Waiting: TypeAlias = tuple[Values, str | None, asyncio.Future[Row]]


class LeftOut(ScaleworthyError):
    """A trigger or a rule of the table left rows out without an error. The others of the statement are in; whose, cannot be told."""

    def __init__(self, table: str, sent: int, came: int) -> None:
        super().__init__(
            f"{table} took {sent} rows and gave {came} back: a trigger or a rule leaves some out",
            hint="let it raise an error for those, or insert into this table one by one",
        )


class JoinedInsert:
    """An INSERT of any number of rows, prepared once on each connection."""

    def __init__(self, table: str, columns: Sequence[str], returning: Sequence[str], tenant_setting: str) -> None:
        self._table = table
        self._columns = tuple(columns)
        self._returning = sql.SQL(", ").join(map(sql.Identifier, returning))
        self._named = _by_name(tuple(returning))
        self._setting = tenant_setting
        self._plain: bytes | None = None
        self._scoped = b""

    def forget(self) -> None:
        """Ask for the table's columns anew before the next statement: they may have changed."""
        self._plain = None

    async def run(self, connection: AsyncConnection[Any], batch: Sequence[Waiting]) -> list[Row]:
        """Insert *batch* in one transaction and one round trip; return what comes back of each."""
        if self._plain is None:
            self._write(connection, await target(connection, self._table, self._columns))
        if len({tenant for _, tenant, _ in batch}) == 1:
            cursor = await self._send(connection, batch[0][1], [values for values, _, _ in batch])
            return self._whole(await cursor.fetchall(), len(batch))
        by_tenant: dict[str | None, list[int]] = {}
        for place, (_, tenant, _) in enumerate(batch):
            by_tenant.setdefault(tenant, []).append(place)
        # Without a tenant first: a setting that is made holds until the end of the transaction.
        groups = sorted(by_tenant.items(), key=lambda item: item[0] is not None)
        async with connection.pipeline():
            cursors = [
                await self._send(connection, tenant, [batch[place][0] for place in places]) for tenant, places in groups
            ]
        answers: list[Row] = [{}] * len(batch)
        for cursor, (_, places) in zip(cursors, groups, strict=True):
            for place, row in zip(places, self._whole(await cursor.fetchall(), len(places)), strict=True):
                answers[place] = row
        return answers

    def _whole(self, rows: list[Row], sent: int) -> list[Row]:
        """Return *rows*, which are as many as were sent: of fewer nobody could tell whose they are.

        Raises:
            LeftOut: They are not.
        """
        if len(rows) != sent:
            raise LeftOut(self._table, sent, len(rows))
        return rows

    async def _send(self, connection: AsyncConnection[Any], tenant: str | None, rows: list[Values]) -> AsyncCursor[Row]:
        values = Texts(connection).arrays(rows)
        text = self._plain if tenant is None else self._scoped
        if tenant is not None:
            values = [self._setting, tenant, *values]
        assert text is not None
        cursor = AsyncCursor(connection, row_factory=lambda _: self._named)
        # None for whoever turned prepared statements off, as a proxy between may ask for.
        await cursor.execute(text, values, prepare=True if connection.prepare_threshold is not None else None)
        return cursor

    def _write(self, connection: AsyncConnection[Any], into: Target) -> None:
        """Write the two statements: without a tenant, and with one.

        Rows are taken in the order of their arrays, and come back in it. The tenant is set by the statement itself: its one row is joined
        to the others, so that no row gets to the table, and to the policies there, before the setting is made.
        """
        text = sql.SQL(
            "insert into {table} ({columns}) select {cast} from {scope}{given} order by sw_place returning {returning}"
        )
        parts = {
            "table": named(self._table),
            "columns": into.listed,
            "cast": into.cast(),
            "given": into.unnested(),
            "returning": self._returning,
        }
        scope = sql.SQL("(select set_config(%s, %s, true)) as sw_scope, ")
        self._scoped = text.format(scope=scope, **parts).as_bytes(connection)
        self._plain = text.format(scope=sql.SQL(""), **parts).as_bytes(connection)


def _by_name(names: tuple[str, ...]) -> RowMaker[Row]:
    """Return what makes a dictionary of a row; one column, as most ask for, the shortest way."""
    if len(names) == 1:
        (only,) = names
        return lambda values: {only: values[0]}
    return lambda values: dict(zip(names, values, strict=True))
