"""The consumer: hands each event to a handler, in the order of its aggregate; what a handler cannot do is tried again, then set aside."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from psycopg import AsyncConnection

from scaleworthy.runtime.events.cancelling import heed_cancellation
from scaleworthy.runtime.events.event import Event

Handler = Callable[[Event], Awaitable[None]]
DeadLetter = Callable[[bytes, str], Awaitable[None]]

_CREATE = """
create table if not exists scaleworthy_inbox (
  consumer text not null, id uuid not null, at timestamptz not null default clock_timestamp(), primary key (consumer, id)
);
create index if not exists scaleworthy_inbox_at on scaleworthy_inbox (at);
"""


class Source(Protocol):
    """Where events come from: `StreamSource` or `KafkaSource`."""

    def batches(self) -> AsyncIterator[tuple[str, list[tuple[str, bytes]]]]:
        """Yield a partition's next events, in order."""

    async def acknowledge(self, stream: str, entries: Sequence[str]) -> None:
        """Say that *entries* are dealt with."""

    async def release(self) -> None:
        """Let others have the partitions."""


@dataclass(frozen=True, slots=True)
class ConsumerStatistics:
    """Counts since it was started."""

    handled: int
    retried: int
    dead: int


class Consumer:
    """Calls *handle* for each event of *source*, one at a time within a partition.

    Args:
        source: Where events come from.
        handle: Called at least once for each; it should do nothing for an id it has seen (`first_time`).
        dead_letter: Called with an event that could not be handled (or read) and why, before those behind it go on.
        attempts: How often an event is tried.
        pause_s: Before it is tried again, doubled each time.
        sleep: For tests.
    """

    def __init__(
        self,
        source: Source,
        handle: Handler,
        *,
        dead_letter: DeadLetter,
        attempts: int = 5,
        pause_s: float = 0.1,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._source = source
        self._handle = handle
        self._dead_letter = dead_letter
        self._attempts = attempts
        self._pause_s = pause_s
        self._sleep = sleep
        self._counts = {"handled": 0, "retried": 0, "dead": 0}

    async def run(self) -> None:
        """Work until cancelled; then others have the partitions at once."""
        try:
            async for stream, entries in self._source.batches():
                for entry, body in entries:
                    await self._one(body)
                    await self._source.acknowledge(stream, [entry])
                    heed_cancellation()
        finally:
            await asyncio.shield(self._source.release())

    def statistics(self) -> ConsumerStatistics:
        """Return the counts."""
        return ConsumerStatistics(**self._counts)

    async def _one(self, body: bytes) -> None:
        try:
            event = Event.from_json(body)
        except ValueError as error:
            self._counts["dead"] += 1
            await self._dead_letter(body, str(error))
            return
        for attempt in range(1, self._attempts + 1):
            try:
                await self._handle(event)
            except Exception as error:  # noqa: BLE001 - whatever a handler raises, the events behind it go on
                if attempt == self._attempts:
                    self._counts["dead"] += 1
                    await self._dead_letter(body, f"{type(error).__name__}: {error}")
                    return
                self._counts["retried"] += 1
                await self._sleep(self._pause_s * 2 ** (attempt - 1))
            else:
                self._counts["handled"] += 1
                return


def inbox_statements() -> str:
    """Return the SQL that makes the inbox, for a migration of your own."""
    return _CREATE.strip()


async def create_inbox(connection: AsyncConnection[Any]) -> None:
    """Make the inbox where it is not there."""
    await connection.execute(_CREATE)


async def first_time(connection: AsyncConnection[Any], consumer: str, event: Event) -> bool:
    """Return whether *consumer* sees *event* for the first time, and remember it with the transaction of *connection*.

    In the transaction of what the handler writes it makes handling happen exactly once: both are there, or neither.
    """
    cursor = await connection.execute(
        "insert into scaleworthy_inbox (consumer, id) values (%s, %s) on conflict do nothing", [consumer, event.id]
    )
    return cursor.rowcount == 1


async def purge_inbox(connection: AsyncConnection[Any], *, older_s: float) -> int:
    """Forget ids that were seen so long ago that their events cannot come again; return how many."""
    cursor = await connection.execute(
        "delete from scaleworthy_inbox where at < clock_timestamp() - %s * interval '1 s'", [older_s]
    )
    return cursor.rowcount
