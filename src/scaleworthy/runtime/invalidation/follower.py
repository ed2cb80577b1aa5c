"""Drop from the cache what changes in the database: one process of the fleet reads the slot, the cache tells the others.

The slot keeps what nobody has read yet, so a follower that was gone catches up; how much it keeps is bounded, and beyond that the slot is
made anew and everything dropped. Processes take turns by themselves: a slot has one reader, the others try every second. What could not be
told to a layer is not confirmed to the server, so that whoever reads next is told it again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from random import Random
from typing import Any

import psycopg
from psycopg import AsyncConnection

from scaleworthy.runtime.ending import end
from scaleworthy.runtime.invalidation.rules import Rule, Rules
from scaleworthy.runtime.invalidation.slot import Connection, Slot, SlotState
from scaleworthy.runtime.invalidation.stream import ChangeStream, SlotBusy, SlotLost, SlotUnreadable
from scaleworthy.runtime.invalidation.teller import FollowerStatistics, Invalidates, Teller
from scaleworthy.series.meter import Meter
from scaleworthy.units import format_bytes, parse_bytes, parse_duration_ns

# A server that does not answer for so long is gone, whatever the connection says.
_ANSWER_WITHIN_S = 10.0


class SlotFollower:
    """Follows the changes of *rules*' tables. `create` once, then `start` in every process.

    Args:
        dsn: The writer, as a role with REPLICATION.
        cache: Who is told.
        rules: What changes make wrong.
        slot: Its name; one for each fleet, and the server's: not two of its databases can have the same.
        publication: Its name; None: the slot's.
        lag_most: How far behind the log the slot may be. Beyond it is made anew, and everything dropped.
        every: How often who reads looks at the slot, and how often the others try to read it.
        together: While many transactions change something, those committed within this are told together; few are told at once.
        meter: Records `runtime.invalidation.*`.
        rng: Spreads the tries of the processes.
    """

    def __init__(
        self,
        dsn: str,
        cache: Invalidates,
        rules: Sequence[Rule],
        *,
        slot: str = "scaleworthy_cache",
        publication: str | None = None,
        lag_most: str = "256MB",
        every: str = "1s",
        together: str = "20ms",
        meter: Meter | None = None,
        rng: Random | None = None,
    ) -> None:
        self._dsn = dsn
        self._rules = Rules(rules)
        self._slot = Slot(slot, self._rules, publication=publication)
        self._together_s = parse_duration_ns(together) / 1e9
        self._lag_most = parse_bytes(lag_most)
        self._every_s = parse_duration_ns(every) / 1e9
        self._rng = rng or Random()
        self._teller = Teller(cache, meter=meter)
        self._task: asyncio.Task[None] | None = None
        self._reason: str | None = "changes are not followed: not started"
        self._reads = asyncio.Event()
        self._has_read = False
        self._misses = False
        self._state: SlotState | None = None
        if meter is not None:
            meter.gauge("runtime.invalidation.lag", "bytes", lambda: float(self._state.lag_bytes if self._state else 0))

    def trouble(self) -> str | None:
        """Return why changes are not followed as they should be; None: they are, here or by another process."""
        return "; ".join(reason for reason in (self._reason, self._teller.trouble) if reason) or None

    def statements(self) -> list[str]:
        """Return the SQL that `create` runs, for a migration of your own."""
        return self._slot.statements()

    async def create(self) -> None:
        """Make publication and slot where they are not there. Any number of processes may do so at once.

        Raises:
            InvalidInput: The rules do not fit the database.
            UsageError: The server does not decode its log.
        """
        async with await self._connect() as connection:
            await self._slot.create(connection)

    async def drop(self) -> None:
        """Remove slot and publication: a slot that nobody reads keeps the server's log for ever."""
        async with await self._connect() as connection:
            await self._slot.drop(connection)

    def start(self) -> None:
        """Begin to follow, now or as soon as the process that does ends."""
        if self._task is None:
            self._reason = None
            self._task = asyncio.create_task(self._follow())

    async def reading(self) -> None:
        """Wait until this process reads the slot."""
        await self._reads.wait()

    async def stop(self) -> None:
        """End following; another process takes over."""
        if self._task is not None:
            await end(self._task)
            self._task = None
            self._reads.clear()
            self._reason = "changes are not followed: stopped"

    def statistics(self) -> FollowerStatistics:
        """Return the counts."""
        state = self._state
        return self._teller.statistics(
            reads=self._reads.is_set(),
            lag_bytes=None if state is None else state.lag_bytes,
            kept_bytes=None if state is None else state.kept_bytes,
        )

    async def _follow(self) -> None:
        while True:
            try:
                await self._read()
            except SlotBusy:
                self._reason = None
            except SlotLost as error:
                self._reads.clear()
                # That there is no slot yet is no trouble: it is made.
                self._reason = f"{error.message}; it is made anew" if self._has_read else None
                if await self._make_anew(anyway=isinstance(error, SlotUnreadable)):
                    continue
            except Exception as error:  # noqa: BLE001 - whatever the cache or a library raises, what was not told is read again
                self._reason = _said(error)
            self._reads.clear()
            self._state = None
            await asyncio.sleep(self._pause_s())

    async def _read(self) -> None:
        async with await self._connect() as connection:
            while (await self._look(connection)).is_read:
                self._reason = None
                await asyncio.sleep(self._pause_s())
            async with self._stream() as stream:
                self._reason = None
                self._reads.set()
                self._has_read = True
                await _until_one_ends(self._tell(stream), self._watch(connection))

    async def _tell(self, stream: ChangeStream) -> None:
        async for batch in stream.batches():
            dropped = self._rules.drop(batch.changes)
            await self._teller.tell(
                dropped,
                position=batch.position or None,
                transactions=batch.transactions,
                committed_us=batch.committed_us,
            )
            if not self._teller.owes:
                stream.done(batch.complete)

    async def _watch(self, connection: Connection) -> None:
        """Look how far the slot is behind, and whether it still brings what is wanted."""
        while True:
            state = self._state = await self._look(connection)
            if state.unpublished:
                self._misses = not await self._publish_again(connection, state.unpublished)
            elif self._misses:
                # Somebody else has published them.
                await self._made_good()
            await self._teller.settle()
            await asyncio.sleep(self._every_s)

    async def _look(self, connection: Connection) -> SlotState:
        async with asyncio.timeout(_ANSWER_WITHIN_S):
            state = await self._slot.look(connection)
        if state is None or state.is_lost:
            raise SlotLost(f"the slot {self._slot.name} is gone, and what changed meanwhile is not known")
        if state.lag_bytes > self._lag_most:
            behind, most = format_bytes(state.lag_bytes), format_bytes(self._lag_most)
            raise SlotLost(f"the slot {self._slot.name} is {behind} behind, of at most {most}")
        return state

    async def _publish_again(self, connection: Connection, tables: Sequence[str]) -> bool:
        """Follow tables that were dropped and made anew: they are others to the publication; return whether it could be."""
        try:
            await self._slot.publish(connection)
        except psycopg.Error as error:
            self._reason = (
                f"changes of {', '.join(tables)} are not followed: not in the publication, and {_first_line(error)}"
            )
            return False
        await self._made_good()
        return True

    async def _made_good(self) -> None:
        """Drop all there is: what changed in tables that were not followed is not known."""
        self._misses, self._reason = False, None
        await self._teller.everything()

    async def _make_anew(self, *, anyway: bool) -> bool:
        try:
            async with await self._connect() as connection:
                is_new = await self._slot.renew(connection, lag_most=self._lag_most, anyway=anyway)
            # After the slot is there, so that nothing falls between the two.
            await self._teller.everything()
        except Exception as error:  # noqa: BLE001 - as above
            self._reason = _said(error)
            return False
        return is_new

    def _stream(self) -> ChangeStream:
        return ChangeStream(
            self._dsn, slot=self._slot.name, publication=self._slot.publication, together_s=self._together_s
        )

    def _pause_s(self) -> float:
        return self._every_s * (0.5 + 0.5 * self._rng.random())

    async def _connect(self) -> Connection:
        return await AsyncConnection.connect(self._dsn, autocommit=True, connect_timeout=5)


async def _until_one_ends(*work: Coroutine[Any, Any, None]) -> None:
    """Do both until one fails, and raise what it raised."""
    tasks = [asyncio.create_task(one) for one in work]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        await end(*tasks)
    for task in done:
        task.result()


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0] or type(error).__name__


def _said(error: Exception) -> str:
    return f"changes are not followed: {_first_line(error)}"
