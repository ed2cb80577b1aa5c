"""Drop from the cache what changes in the database: one process of the fleet reads the slot, the cache tells the others.

The slot keeps what nobody has read yet, so a follower that was gone catches up; how much it keeps is bounded, and beyond that the slot is
made anew and everything dropped. Processes take turns by themselves: a slot has one reader, the others try every second.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import psycopg
from psycopg import AsyncConnection, sql

from scaleworthy.errors import UsageError
from scaleworthy.runtime.invalidation.catalogue import known_tables
from scaleworthy.runtime.invalidation.rules import Rule, Rules
from scaleworthy.runtime.invalidation.stream import ChangeStream, SlotBusy, SlotLost
from scaleworthy.units import format_bytes, parse_bytes

_AGAIN_S = 1.0
_WATCH_S = 1.0
_LAG = """
select pg_wal_lsn_diff(pg_current_wal_lsn(), confirmed_flush_lsn)::bigint, wal_status = 'lost'
from pg_replication_slots where slot_name = %s
"""


class Invalidates(Protocol):
    """What is told, `runtime.cache.Cache` for example."""

    async def invalidate(
        self, *, keys: Sequence[str], tags: Sequence[str], everything: bool, position: int | None
    ) -> None:
        """Drop what is named."""


@dataclass(frozen=True, slots=True)
class FollowerStatistics:
    """Counts since it was started, and how far the slot is behind (None: not looked at yet)."""

    reads: bool
    transactions: int
    keys: int
    tags: int
    everything: int
    lag_bytes: int | None


class SlotFollower:
    """Follows the changes of *rules*' tables. `create` once, then `start` in every process.

    Args:
        dsn: The writer, as a role with REPLICATION that may read the slots.
        cache: Who is told.
        rules: What changes make wrong.
        slot: Its name, and the publication's; one for each fleet.
        lag_most: How much log the slot may keep. Beyond it is made anew, and everything dropped.
    """

    def __init__(
        self,
        dsn: str,
        cache: Invalidates,
        rules: Sequence[Rule],
        *,
        slot: str = "scaleworthy_cache",
        lag_most: str = "256MB",
    ) -> None:
        self._dsn = dsn
        self._cache = cache
        self._rules = Rules(rules)
        self._slot = slot
        self._lag_most = parse_bytes(lag_most)
        self._task: asyncio.Task[None] | None = None
        self._reason: str | None = "not started"
        self._reads = asyncio.Event()
        self._counts = {"transactions": 0, "keys": 0, "tags": 0, "everything": 0}
        self._lag: int | None = None

    @property
    def trouble(self) -> str | None:
        """Why changes are not followed here; None: they are, or another process does it."""
        return self._reason

    def statements(self) -> list[str]:
        """Return the SQL that `create` runs, for a migration of your own."""
        tables = ", ".join(_quoted(name) for name in self._rules.tables)
        return [
            f"create publication {_quoted(self._slot)} for table {tables}",
            f"select pg_create_logical_replication_slot('{self._slot}', 'pgoutput')",
        ]

    async def create(self) -> None:
        """Make publication and slot where they are not there; the publication's tables are set to the rules'.

        Raises:
            InvalidInput: The rules do not fit the database.
            UsageError: The server does not decode its log.
        """
        async with await self._connect() as connection:
            level = await (await connection.execute("show wal_level")).fetchone()
            if level != ("logical",):
                raise UsageError(
                    f"the server's wal_level is {level[0] if level else '?'}: it cannot tell what changes",
                    hint="set wal_level = logical and restart it, or use NotifyFollower, which needs no setting and costs more",
                )
            self._rules.check(await known_tables(connection, self._rules.tables))
            name = sql.Identifier(self._slot)
            tables = sql.SQL(", ").join(sql.SQL(_quoted(table)) for table in self._rules.tables)
            found = await connection.execute("select from pg_publication where pubname = %s", [self._slot])
            form = "alter publication {} set table {}" if found.rowcount else "create publication {} for table {}"
            await connection.execute(sql.SQL(form).format(name, tables))
            await self._create_slot(connection)

    async def drop(self) -> None:
        """Remove slot and publication: a slot that nobody reads keeps the server's log for ever."""
        async with await self._connect() as connection:
            await self._drop_slot(connection)
            await connection.execute(sql.SQL("drop publication if exists {}").format(sql.Identifier(self._slot)))

    def start(self) -> None:
        """Begin to follow, now or as soon as the process that does ends."""
        if self._task is None:
            self._task = asyncio.create_task(self._follow())

    async def reading(self) -> None:
        """Wait until this process reads the slot."""
        await self._reads.wait()

    async def stop(self) -> None:
        """End following; another process takes over."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None
            self._reads.clear()

    def statistics(self) -> FollowerStatistics:
        """Return the counts."""
        return FollowerStatistics(reads=self._reads.is_set(), lag_bytes=self._lag, **self._counts)

    async def _follow(self) -> None:
        while True:
            try:
                await self._read()
            except SlotBusy:
                self._reason = None
            except SlotLost as error:
                self._reason = error.message
                await self._attempt(self._make_anew)
            except (psycopg.Error, OSError) as error:
                self._reason = f"changes are not followed: {str(error).partition(chr(10))[0]}"
            self._reads.clear()
            await asyncio.sleep(_AGAIN_S)

    async def _read(self) -> None:
        async with ChangeStream(self._dsn, slot=self._slot, publication=self._slot) as stream:
            self._reason = None
            self._reads.set()
            watch = asyncio.create_task(self._watch())
            try:
                async for transaction in stream.transactions():
                    dropped = self._rules.drop(transaction.changes)
                    if not dropped.is_empty:
                        await self._cache.invalidate(
                            keys=sorted(dropped.keys),
                            tags=sorted(dropped.tags),
                            everything=dropped.everything,
                            position=transaction.position,
                        )
                    self._counts["transactions"] += 1
                    self._counts["keys"] += len(dropped.keys)
                    self._counts["tags"] += len(dropped.tags)
                    self._counts["everything"] += dropped.everything
                    stream.done(transaction.position)
                    if self._lag is not None and self._lag > self._lag_most:
                        raise SlotLost(f"the slot {self._slot} is {format_bytes(self._lag)} behind")
            finally:
                watch.cancel()
                await asyncio.gather(watch, return_exceptions=True)

    async def _watch(self) -> None:
        """Look how far the slot is behind."""
        async with await self._connect() as connection:
            while True:
                row: tuple[Any, ...] | None = await (await connection.execute(_LAG, [self._slot])).fetchone()
                self._lag = None if row is None else row[0]
                await asyncio.sleep(_WATCH_S)

    async def _make_anew(self) -> None:
        async with await self._connect() as connection:
            await self._drop_slot(connection)
            await self._create_slot(connection)
        self._lag = None
        # After the slot is there, so that nothing falls between the two.
        await self._cache.invalidate(keys=(), tags=(), everything=True, position=None)
        self._counts["everything"] += 1

    async def _attempt(self, act: Callable[[], Awaitable[None]]) -> None:
        try:
            await act()
        except (psycopg.Error, OSError) as error:
            self._reason = f"changes are not followed: {str(error).partition(chr(10))[0]}"

    async def _create_slot(self, connection: AsyncConnection[tuple[object, ...]]) -> None:
        found = await connection.execute("select from pg_replication_slots where slot_name = %s", [self._slot])
        if not found.rowcount:
            await connection.execute("select pg_create_logical_replication_slot(%s, 'pgoutput')", [self._slot])

    async def _drop_slot(self, connection: AsyncConnection[tuple[object, ...]]) -> None:
        await connection.execute(
            "select pg_drop_replication_slot(slot_name) from pg_replication_slots where slot_name = %s", [self._slot]
        )

    async def _connect(self) -> AsyncConnection[tuple[object, ...]]:
        return await AsyncConnection.connect(self._dsn, autocommit=True, connect_timeout=5)


def _quoted(name: str) -> str:
    return ".".join('"' + part.replace('"', '""') + '"' for part in name.split("."))
