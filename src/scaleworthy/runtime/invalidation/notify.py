"""The other way, where logical decoding is not to be had: triggers that NOTIFY.

It costs writes dear: NOTIFY takes a lock at commit that all of the cluster's notifying transactions queue for. And it keeps nothing for who
does not listen, so everything is dropped each time listening begins.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import Any, Literal

from psycopg import AsyncConnection

from scaleworthy.runtime.ending import end
from scaleworthy.runtime.invalidation.catalogue import known_tables, quoted
from scaleworthy.runtime.invalidation.pgoutput import Change, Relation
from scaleworthy.runtime.invalidation.rules import Rule, Rules
from scaleworthy.runtime.invalidation.teller import FollowerStatistics, Invalidates, Teller
from scaleworthy.runtime.invalidation.triggers import Triggers
from scaleworthy.series.meter import Meter
from scaleworthy.units import parse_duration_ns

_ANSWER_WITHIN_S = 10.0
# Transactions that have committed by now end before it in the log: what was told is seen by who has replayed up to it.
_POSITION = "select (pg_current_wal_insert_lsn() - '0/0')::bigint"
_LEAD = "select pg_try_advisory_lock(hashtextextended('scaleworthy notify ' || %s, 0))"


class NotifyFollower:
    """Follows the changes of *rules*' tables by triggers. `create` once, then `start` in every process.

    Args:
        dsn: The writer, without a pooler between that shares sessions.
        cache: Who is told.
        rules: What changes make wrong.
        name: Of the channel, and the beginning of the functions' and triggers' names.
        listeners: `one` process listens and the cache tells the others; or `each` does, where the cache has no shared layer.
        every: How often the others try to listen, and how often a listener asks whether the server is there.
        meter: Records `runtime.invalidation.*`.
    """

    def __init__(
        self,
        dsn: str,
        cache: Invalidates,
        rules: Sequence[Rule],
        *,
        name: str = "scaleworthy_changed",
        listeners: Literal["one", "each"] = "one",
        every: str = "1s",
        meter: Meter | None = None,
    ) -> None:
        self._dsn = dsn
        self._rules = Rules(rules)
        self._name = name
        self._triggers = Triggers(name, self._rules)
        self._one = listeners == "one"
        self._every_s = parse_duration_ns(every) / 1e9
        self._teller = Teller(cache, meter=meter)
        self._task: asyncio.Task[None] | None = None
        self._listens = asyncio.Event()
        self._reason: str | None = "changes are not followed: not started"

    def trouble(self) -> str | None:
        """Return why changes are not followed as they should be; None: they are, here or by another process."""
        return "; ".join(reason for reason in (self._reason, self._teller.trouble) if reason) or None

    def statements(self) -> list[str]:
        """Return the SQL that `create` runs, for a migration of your own."""
        return self._triggers.statements()

    async def create(self) -> None:
        """Make functions and triggers, in one transaction.

        Raises:
            InvalidInput: The rules do not fit the database.
        """
        async with await self._connect() as connection, connection.transaction():
            self._rules.check(await known_tables(connection, self._rules.tables), of_log=False)
            for statement in [*self._triggers.removal(), *self.statements()]:
                await connection.execute(statement.encode())

    async def drop(self) -> None:
        """Remove them."""
        async with await self._connect() as connection, connection.transaction():
            for statement in self._triggers.removal():
                await connection.execute(statement.encode())

    def start(self) -> None:
        """Begin to listen."""
        if self._task is None:
            self._task = asyncio.create_task(self._follow())

    async def reading(self) -> None:
        """Wait until it listens."""
        await self._listens.wait()

    async def stop(self) -> None:
        """End listening."""
        if self._task is not None:
            await end(self._task)
            self._task = None
            self._listens.clear()
            self._reason = "changes are not followed: stopped"

    def statistics(self) -> FollowerStatistics:
        """Return the counts; a transaction is one statement here."""
        return self._teller.statistics(reads=self._listens.is_set(), lag_bytes=None, kept_bytes=None)

    async def _follow(self) -> None:
        while True:
            try:
                # Two: what is heard comes on one, what is asked goes over the other.
                async with await self._connect() as hears, await self._connect() as asks:
                    await self._lead(asks)
                    await hears.execute(f"listen {quoted(self._name)}".encode())
                    await self._teller.everything()
                    self._reason = None
                    self._listens.set()
                    await self._hear(hears, asks)
            except Exception as error:  # noqa: BLE001 - whatever the cache or a library raises, or others notify: it listens anew
                first = str(error).partition("\n")[0] or type(error).__name__
                self._reason = f"changes are not followed: {first}"
            self._listens.clear()
            await asyncio.sleep(self._every_s)

    async def _lead(self, asks: AsyncConnection[tuple[Any, ...]]) -> None:
        """Wait until no other process listens, where one is enough."""
        while self._one:
            row = await (await asks.execute(_LEAD, [self._name])).fetchone()
            if row == (True,):
                return
            self._reason = None
            await asyncio.sleep(self._every_s)

    async def _hear(self, hears: AsyncConnection[tuple[Any, ...]], asks: AsyncConnection[tuple[Any, ...]]) -> None:
        while True:
            said = [one.payload async for one in hears.notifies(timeout=self._every_s, stop_after=1)]
            async with asyncio.timeout(_ANSWER_WITHIN_S):
                # Asked without news too: it tells whether the server is there.
                row = await (await asks.execute(_POSITION)).fetchone()
            assert row is not None
            if said:
                changes = [change for payload in said for change in _changes(payload)]
                await self._teller.tell(self._rules.drop(changes), position=row[0], transactions=len(said))
            await self._teller.settle()

    async def _connect(self) -> AsyncConnection[tuple[Any, ...]]:
        return await AsyncConnection.connect(self._dsn, autocommit=True, connect_timeout=5)


def _changes(payload: str) -> list[Change]:
    told = json.loads(payload)
    relation, operation = Relation(told["table"], ()), told["operation"]
    if told["rows"] is None:
        # A truncate, or rows too many to be told.
        return [Change(relation, operation, None, None)]
    return [Change(relation, operation, None, row) for row in told["rows"]]
