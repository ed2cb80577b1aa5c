"""The outbox: an event is written in the transaction that makes it true, so it is published if and only if that commits.

Numbers are given in the order of writing, and transactions commit in another: who reads on behind the highest number it has seen misses
what commits later with a lower one. So only rows are taken whose transaction is older than every one still open, in the order of their
numbers, and each is marked for itself. Writers of one aggregate that follow one another (they lock its row, as an UPDATE does) are
published in that order. The price: the oldest open transaction which has written anything holds all events back.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import orjson
from psycopg import AsyncConnection
from psycopg.rows import tuple_row
from psycopg.types.json import set_json_loads

from scaleworthy.runtime.events.event import Event
from scaleworthy.runtime.tables import make

_CREATE = """
create table if not exists scaleworthy_outbox (
  number bigint generated always as identity primary key,
  written_by xid8 not null default pg_current_xact_id(),
  id uuid not null, topic text not null, tenant text not null, aggregate text not null, payload jsonb not null,
  headers jsonb not null default '{}', at timestamptz not null default clock_timestamp(),
  attempts int not null default 0, published_at timestamptz, dead_because text
);
create index if not exists scaleworthy_outbox_waiting on scaleworthy_outbox (number) where published_at is null and dead_because is null;
create index if not exists scaleworthy_outbox_published on scaleworthy_outbox (published_at) where published_at is not null;
"""
_INSERT = """
insert into scaleworthy_outbox (id, topic, tenant, aggregate, payload, headers)
select * from unnest(%s::uuid[], %s::text[], %s::text[], %s::text[], %s::jsonb[], %s::jsonb[])
"""
_COLUMNS = "id, topic, tenant, aggregate, payload, headers, at, number"
_WAITING = f"""
select {_COLUMNS} from scaleworthy_outbox
where published_at is null and dead_because is null and written_by < pg_snapshot_xmin(pg_current_snapshot())
order by number limit %s
"""  # noqa: S608 - texts of this file
_DEAD = f"""
select {_COLUMNS}, dead_because from scaleworthy_outbox where dead_because is not null order by number limit %s
"""  # noqa: S608
_REPLAY = """
update scaleworthy_outbox set published_at = null, attempts = 0
where published_at is not null and at >= %(since)s and at < %(until)s and (%(topic)s::text is null or topic = %(topic)s)
"""
# Of a long queue not each is counted: the look costs the same however much waits. A clock that went back makes no negative age.
_COUNTED_MOST = 10_000
_LAG = """
select count(*), coalesce(greatest(extract(epoch from clock_timestamp() - min(at)), 0), 0)
from (select at from scaleworthy_outbox where published_at is null and dead_because is null order by number limit %s) as oldest
"""
_HELD = """
select coalesce(max(extract(epoch from clock_timestamp() - xact_start)), 0) from pg_stat_activity
where backend_xid is not null and pid <> pg_backend_pid()
"""


def statements() -> str:
    """Return the SQL that makes the outbox, for a migration of your own."""
    return _CREATE.strip()


async def create(connection: AsyncConnection[Any]) -> None:
    """Make the outbox where it is not there; any number of processes may do so at once."""
    await make(connection, _CREATE)


async def publish(connection: AsyncConnection[Any], *events: Event) -> None:
    """Write *events*; they are published once the transaction of *connection* has committed, and never if it does not.

    Raises:
        ValueError: A payload is no JSON: NaN, for example.
        TypeError: The same, of another type.
    """
    columns = [
        [event.id for event in events],
        [event.topic for event in events],
        [event.tenant for event in events],
        [event.aggregate for event in events],
        [json.dumps(event.payload, allow_nan=False) for event in events],
        [json.dumps(dict(event.headers)) for event in events],
    ]
    await connection.execute(_INSERT, columns)


async def waiting(connection: AsyncConnection[Any], *, most: int) -> list[Event]:
    """Return the next events to be published, in their order."""
    async with connection.cursor(row_factory=tuple_row) as cursor:
        set_json_loads(orjson.loads, cursor)
        await cursor.execute(_WAITING.encode(), [most])
        return [_event(row) for row in await cursor.fetchall()]


async def mark_published(connection: AsyncConnection[Any], numbers: Sequence[int]) -> None:
    """Say that the events of these numbers are published."""
    await connection.execute(
        "update scaleworthy_outbox set published_at = clock_timestamp() where number = any (%s)", [list(numbers)]
    )


async def mark_failed(connection: AsyncConnection[Any], number: int, reason: str, *, attempts_most: int) -> bool:
    """Count a failed attempt; return whether the event is dead now, having failed as often as it may."""
    async with connection.cursor(row_factory=tuple_row) as cursor:
        await cursor.execute(
            "update scaleworthy_outbox set attempts = attempts + 1,"
            " dead_because = case when attempts + 1 >= %s then %s end where number = %s returning dead_because is not null",
            [attempts_most, reason, number],
        )
        row = await cursor.fetchone()
        return bool(row and row[0])


async def dead_letters(connection: AsyncConnection[Any], *, most: int = 100) -> list[tuple[Event, str]]:
    """Return events that could not be published, each with the reason."""
    async with connection.cursor(row_factory=tuple_row) as cursor:
        await cursor.execute(_DEAD.encode(), [most])
        return [(_event(row[:-1]), row[-1]) for row in await cursor.fetchall()]


async def revive(connection: AsyncConnection[Any], numbers: Sequence[int]) -> int:
    """Let dead events be tried again; return how many there were. They come behind what was published since."""
    cursor = await connection.execute(
        "update scaleworthy_outbox set dead_because = null, attempts = 0 where dead_because is not null and number = any (%s)",
        [list(numbers)],
    )
    return cursor.rowcount


async def replay(connection: AsyncConnection[Any], *, since: Any, until: Any, topic: str | None = None) -> int:
    """Publish again, with the same ids, what was written from *since* to before *until* and is still kept; return how many."""
    cursor = await connection.execute(_REPLAY, {"since": since, "until": until, "topic": topic})
    return cursor.rowcount


async def purge(connection: AsyncConnection[Any], *, older_s: float, most: int = 10_000) -> int:
    """Remove events that were published so long ago; return how many."""
    cursor = await connection.execute(
        "delete from scaleworthy_outbox where number in (select number from scaleworthy_outbox"
        " where published_at < clock_timestamp() - %s * interval '1 s' order by published_at limit %s)",
        [older_s, most],
    )
    return cursor.rowcount


async def lag(connection: AsyncConnection[Any]) -> tuple[int, float]:
    """Return how many events wait (at most 10,000 are counted), and the age of the oldest, s."""
    async with connection.cursor(row_factory=tuple_row) as cursor:
        await cursor.execute(_LAG, [_COUNTED_MOST])
        row = await cursor.fetchone()
    assert row is not None
    return int(row[0]), float(row[1])


async def held_back_s(connection: AsyncConnection[Any]) -> float:
    """Return how long the oldest transaction has been open that has written something, s: events behind it wait for it."""
    async with connection.cursor(row_factory=tuple_row) as cursor:
        await cursor.execute(_HELD)
        row = await cursor.fetchone()
    assert row is not None
    return float(row[0])


def _event(row: Sequence[Any]) -> Event:
    number = row[7]
    return Event(row[1], row[3], row[4], row[2], row[0], row[5], row[6], number)
