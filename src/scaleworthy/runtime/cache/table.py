"""The layer in a database table: what is dear to compute outlives a restart of the cache server.

The tables are UNLOGGED: quick to write, and empty after a crash of the database, as a cache may be.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import TYPE_CHECKING

from scaleworthy.errors import InvalidInput
from scaleworthy.runtime.cache.layer import Found, Kept, Seen
from scaleworthy.runtime.cache.policy import Life
from scaleworthy.runtime.lsn import show_lsn
from scaleworthy.runtime.tables import make
from scaleworthy.runtime.times import time_problems
from scaleworthy.units import parse_duration_ns

if TYPE_CHECKING:
    from psycopg import AsyncConnection
    from psycopg_pool import AsyncConnectionPool

_CREATE = """
create unlogged table if not exists scaleworthy_cache (
  key text primary key, body bytea not null, clock bigint not null, tags text[] not null, load_ns bigint not null,
  stale_at timestamptz not null, gone_at timestamptz not null
);
create index if not exists scaleworthy_cache_gone on scaleworthy_cache (gone_at);
create unlogged table if not exists scaleworthy_cache_tombstone (
  name text primary key, clock bigint not null, position pg_lsn, forget_at timestamptz not null
);
create sequence if not exists scaleworthy_cache_clock;
create unlogged table if not exists scaleworthy_cache_floor (one boolean primary key default true check (one), clock bigint not null);
"""
_DROP = """
drop table if exists scaleworthy_cache, scaleworthy_cache_tombstone, scaleworthy_cache_floor;
drop sequence if exists scaleworthy_cache_clock;
"""
# An entry is void where a tombstone of its key or tags, or the floor, is younger than its load's beginning.
_GET = """
select clock.last_value - (not clock.is_called)::int, entry.body, entry.load_ns, entry.tags,
       (extract(epoch from entry.stale_at - clock_timestamp()) * 1e9)::bigint
from scaleworthy_cache_clock clock
left join lateral (
  select * from scaleworthy_cache e
  where e.key = %(key)s and e.gone_at > clock_timestamp()
    and e.clock >= coalesce((select f.clock from scaleworthy_cache_floor f), 0)
    and not exists (select from scaleworthy_cache_tombstone t where t.name = any (e.tags || e.key) and t.clock > e.clock)
) entry on true
"""
# Where there is no floor the tables are new, or a crash has emptied them of tombstones: loads that began before are refused.
_PUT = """
with floor as (
  insert into scaleworthy_cache_floor (clock)
  select last_value - (not is_called)::int from scaleworthy_cache_clock where not exists (select from scaleworthy_cache_floor)
  on conflict (one) do nothing
)
insert into scaleworthy_cache (key, body, clock, tags, load_ns, stale_at, gone_at)
select %(key)s, %(body)s, %(clock)s, %(tags)s::text[], %(load_ns)s,
       clock_timestamp() + %(stale_s)s * interval '1 s', clock_timestamp() + %(gone_s)s * interval '1 s'
where %(clock)s >= coalesce(
    (select clock from scaleworthy_cache_floor), (select last_value - (not is_called)::int from scaleworthy_cache_clock))
  and not exists (
    select from scaleworthy_cache_tombstone t
    where t.name = any (%(tags)s::text[] || %(key)s::text) and (t.clock > %(clock)s or t.position > %(position)s::pg_lsn))
on conflict (key) do update set body = excluded.body, clock = excluded.clock, tags = excluded.tags, load_ns = excluded.load_ns,
  stale_at = excluded.stale_at, gone_at = excluded.gone_at
where scaleworthy_cache.clock <= excluded.clock
"""
_BURY = """
insert into scaleworthy_cache_tombstone (name, clock, position, forget_at)
select name, %(clock)s, %(position)s::pg_lsn, clock_timestamp() + %(remember_s)s * interval '1 s' from unnest(%(names)s::text[]) name
on conflict (name) do update set clock = greatest(scaleworthy_cache_tombstone.clock, excluded.clock),
  position = greatest(scaleworthy_cache_tombstone.position, excluded.position), forget_at = excluded.forget_at
"""
_RAISE_FLOOR = """
insert into scaleworthy_cache_floor (clock) values (%(clock)s)
on conflict (one) do update set clock = greatest(scaleworthy_cache_floor.clock, excluded.clock)
"""
_SWEEP = (
    "delete from scaleworthy_cache where key in (select key from scaleworthy_cache where gone_at <= clock_timestamp() limit 1000)",
    """delete from scaleworthy_cache_tombstone where name in
    (select name from scaleworthy_cache_tombstone where forget_at <= clock_timestamp() limit 1000)""",
)
# One put in so many looks for what is over.
_SWEEP_EVERY = 256
# Of a name: an index takes no more than 2,704.
_BYTES_MOST = 2_000


class TableLayer:
    """Tables in the database of *pool* (psycopg_pool, opened and closed by its owner); `create` makes them.

    Args:
        pool: Connections as a role that may read and write the tables.
        budget: How long a request waits for it.
        remember: How long an invalidation is remembered: no entry lives longer, and no load may take longer.
        rng: Decides which puts sweep what is over.

    Raises:
        InvalidInput: With every time that cannot be.
    """

    name = "table"

    def __init__(
        self,
        pool: AsyncConnectionPool[AsyncConnection],
        *,
        budget: str = "200ms",
        remember: str = "2h",
        rng: Random | None = None,
    ) -> None:
        problems = time_problems(budget=budget, remember=remember)
        if problems:
            raise InvalidInput("this layer in a table cannot be", problems)
        self.budget_s = parse_duration_ns(budget) / 1e9
        self._pool = pool
        self._remember_s = parse_duration_ns(remember) / 1e9
        self._rng = rng or Random()

    @staticmethod
    def statements() -> str:
        """Return the SQL that makes the tables, for a migration of your own."""
        return _CREATE.strip()

    async def create(self) -> None:
        """Make the tables where they are not there; any number of processes may do so at once."""
        async with self._pool.connection() as connection:
            await make(connection, _CREATE)

    async def drop(self) -> None:
        """Remove the tables."""
        async with self._pool.connection() as connection:
            await connection.execute(_DROP)

    async def get(self, key: str) -> Found:
        """Return what is kept under *key*."""
        if not _takes(key):
            return Found(None, -1)
        async with self._pool.connection() as connection:
            cursor = await connection.execute(_GET, {"key": key})
            row = await cursor.fetchone()
        assert row is not None
        clock, body, load_ns, tags, fresh_ns = row
        return Found(None if body is None else Kept(bytes(body), fresh_ns, load_ns, tuple(tags)), clock)

    async def put(
        self,
        key: str,
        body: bytes,
        life: Life,
        *,
        load_ns: int,
        seen: Seen,
        tags: Sequence[str],
        owner: str = "",  # noqa: ARG002 - the table gives no leases
    ) -> bool:
        """Keep *body*, unless something it was made from has changed since what was *seen*; return whether it is kept."""
        if not all(map(_takes, [key, *tags])):
            return False
        gone_s = min(life.gone_ns / 1e9, self._remember_s)
        values = {
            "key": key,
            "body": body,
            "clock": seen.clock,
            "position": None if seen.position is None else show_lsn(seen.position),
            "tags": list(tags),
            "load_ns": load_ns,
            "stale_s": min(life.stale_ns / 1e9, gone_s),
            "gone_s": gone_s,
        }
        async with self._pool.connection() as connection:
            cursor = await connection.execute(_PUT, values)
            if self._rng.randrange(_SWEEP_EVERY) == 0:
                for statement in _SWEEP:
                    await connection.execute(statement)
            return cursor.rowcount == 1

    async def invalidate(
        self,
        *,
        keys: Sequence[str] = (),
        tags: Sequence[str] = (),
        everything: bool = False,
        position: int | None = None,
        origin: str = "",  # noqa: ARG002 - the table tells nobody
    ) -> None:
        """Drop entries, and refuse those whose load began before."""
        async with self._pool.connection() as connection, connection.transaction():
            cursor = await connection.execute("select nextval('scaleworthy_cache_clock')")
            clock = (await cursor.fetchone() or (0,))[0]
            if everything:
                # What lies below is void, and swept when its time is over: to delete it all may take longer than any budget.
                await connection.execute(_RAISE_FLOOR, {"clock": clock})
            values = {
                "clock": clock,
                "position": None if position is None else show_lsn(position),
                "names": sorted({name for name in [*keys, *tags] if _takes(name)}),
                "remember_s": self._remember_s,
            }
            await connection.execute(_BURY, values)

    async def ping(self) -> None:
        """Raise where it does not answer."""
        async with self._pool.connection() as connection:
            await connection.execute("select 1 from scaleworthy_cache_clock")

    async def try_keeping(self) -> None:
        """Raise where it takes nothing new."""
        async with self._pool.connection() as connection:
            await connection.execute("delete from scaleworthy_cache where false")

    async def close(self) -> None:
        """Nothing: the pool is its owner's."""


def _takes(name: str) -> bool:
    """Whether *name* can be in the table. What cannot is not kept here: refusing it is no fault of the server's."""
    return "\0" not in name and len(name.encode()) <= _BYTES_MOST
