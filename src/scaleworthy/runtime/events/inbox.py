"""The inbox: which events a consumer has handled, so that one that comes again has no second effect; and those it could not handle."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from psycopg import AsyncConnection
from psycopg.rows import tuple_row

from scaleworthy.runtime.events.event import Event
from scaleworthy.runtime.tables import make

_CREATE = """
create table if not exists scaleworthy_inbox (
  consumer text not null, id uuid not null, at timestamptz not null default clock_timestamp(), primary key (consumer, id)
);
create index if not exists scaleworthy_inbox_at on scaleworthy_inbox (at);
create table if not exists scaleworthy_inbox_dead (
  number bigint generated always as identity primary key,
  consumer text not null, body bytea not null, reason text not null, at timestamptz not null default clock_timestamp()
);
"""


def inbox_statements() -> str:
    """Return the SQL that makes the inbox, for a migration of your own."""
    return _CREATE.strip()


async def create_inbox(connection: AsyncConnection[Any]) -> None:
    """Make the inbox where it is not there; any number of processes may do so at once."""
    await make(connection, _CREATE)


async def first_time(connection: AsyncConnection[Any], consumer: str, event: Event) -> bool:
    """Return whether *consumer* sees *event* for the first time, and remember it with the transaction of *connection*.

    In the transaction of what the handler writes it makes handling happen exactly once: both are there, or neither.
    """
    cursor = await connection.execute(
        "insert into scaleworthy_inbox (consumer, id) values (%s, %s) on conflict do nothing", [consumer, event.id]
    )
    return cursor.rowcount == 1


async def set_aside(connection: AsyncConnection[Any], consumer: str, body: bytes, reason: str) -> None:
    """Keep an event that *consumer* could not handle, as it came, and why."""
    await connection.execute(
        "insert into scaleworthy_inbox_dead (consumer, body, reason) values (%s, %s, %s)", [consumer, body, reason]
    )


async def aside(connection: AsyncConnection[Any], consumer: str, *, most: int = 100) -> list[tuple[int, bytes, str]]:
    """Return what was set aside, the oldest first, as (number, event, reason)."""
    async with connection.cursor(row_factory=tuple_row) as cursor:
        await cursor.execute(
            "select number, body, reason from scaleworthy_inbox_dead where consumer = %s order by number limit %s",
            [consumer, most],
        )
        return [(int(row[0]), bytes(row[1]), str(row[2])) for row in await cursor.fetchall()]


async def drop_aside(connection: AsyncConnection[Any], numbers: Sequence[int]) -> int:
    """Forget what was set aside, once it was handled otherwise; return how many."""
    cursor = await connection.execute("delete from scaleworthy_inbox_dead where number = any (%s)", [list(numbers)])
    return cursor.rowcount


async def purge_inbox(connection: AsyncConnection[Any], *, older_s: float) -> int:
    """Forget ids that were seen so long ago that their events cannot come again; return how many."""
    cursor = await connection.execute(
        "delete from scaleworthy_inbox where at < clock_timestamp() - %s * interval '1 s'", [older_s]
    )
    return cursor.rowcount
