"""The layer in Valkey or Redis: entries, leases, and word of what has changed to every process.

Each act is one script, so that looking at tombstones and keeping an entry is one step for the server. All keys begin with the prefix:
`e:KEY` the entry, `t:NAME` the tombstone of a key or tag, `l:KEY` the lease, `clock` the number of invalidations, `floor` the clock below
which everything is void. The clock begins at the server's own time, so that it never goes back when the server loses its data, and
begins with a floor, so that loads which began before are refused. A tag of an entry has a tombstone from the beginning: where there
is none the server has pushed it out, and the entry is void, since nobody knows whether it has been invalidated.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Sequence
from typing import TYPE_CHECKING, Any

from scaleworthy.errors import InvalidInput, MissingExtra
from scaleworthy.runtime.cache.layer import Found, Kept, Seen
from scaleworthy.runtime.cache.policy import Life
from scaleworthy.runtime.times import time_problems
from scaleworthy.units import parse_duration_ns

if TYPE_CHECKING:
    from redis.asyncio import Redis
    from redis.commands.core import AsyncScript

_CLOCK = """
local function the_clock(p)
  local clock = redis.call('GET', p .. 'clock')
  if clock then return clock end
  local time = redis.call('TIME')
  clock = time[1] .. string.format('%06d', time[2])
  redis.call('SET', p .. 'clock', clock)
  redis.call('SET', p .. 'floor', clock)
  return clock
end
"""
# The entry under KEYS[1], without what is void; nothing else is read.
_ENTRY = """
local function the_entry(p, clock)
local kept = redis.call('HMGET', KEYS[1], 'body', 'clock', 'tags', 'stale', 'load')
if not kept[1] then return nil end
local mine = tonumber(kept[2])
local void = tonumber(redis.call('GET', p .. 'floor') or clock) > mine
for _, tag in ipairs(cjson.decode(kept[3])) do
  local buried = redis.call('HGET', p .. 't:' .. tag, 'clock')
  void = void or not buried or tonumber(buried) > mine
end
if void then
  redis.call('UNLINK', KEYS[1])
  return nil
end
return {kept[1], kept[3], kept[4], kept[5], redis.call('PTTL', KEYS[1])}
end
"""
# ARGV: prefix. Answer: clock, nobody, entry.
_GET = (
    _CLOCK
    + _ENTRY
    + """
local clock = the_clock(ARGV[1])
return {clock, '', the_entry(ARGV[1], clock) or false}
"""
)
# A server that is full takes what is small and over in seconds, so that reading and loading once go on; entries it refuses.
_TAKES_LITTLE = "#!lua flags=allow-oom\n"
# ARGV: prefix, owner, ms of the lease, ms it must be fresh for. Answer: clock, who may load, entry.
_GET_OR_LEASE = (
    _TAKES_LITTLE
    + _CLOCK
    + _ENTRY
    + """
local clock = the_clock(ARGV[1])
local entry = the_entry(ARGV[1], clock)
if entry and entry[5] - tonumber(entry[3]) > tonumber(ARGV[4]) then return {clock, '', entry} end
local free = redis.call('SET', KEYS[2], ARGV[2], 'NX', 'PX', ARGV[3])
return {clock, free and ARGV[2] or redis.call('GET', KEYS[2]), entry or false}
"""
)
# KEYS: entry, lease. ARGV: prefix, body, clock and position of the load, ms stale, ms until gone, ns it took, tags as JSON, key, owner,
# ms to remember.
# The lease goes last: a script's first write decides whether a full server lets it through.
_PUT = (
    _CLOCK
    + """
local p, clock, position = ARGV[1], tonumber(ARGV[3]), ARGV[4]
local now = the_clock(p)
local void = tonumber(redis.call('GET', p .. 'floor') or '1e18') > clock
local function look_at(name, is_tag)
  local stone = p .. 't:' .. name
  local buried = redis.call('HMGET', stone, 'clock', 'position')
  if is_tag and not buried[1] then
    redis.call('HSET', stone, 'clock', now)
    buried[1] = now
  end
  if is_tag then redis.call('PEXPIRE', stone, ARGV[11]) end
  void = void or (buried[1] and tonumber(buried[1]) > clock)
  void = void or (position ~= '' and buried[2] and buried[2] > position)
end
look_at(ARGV[9], false)
for _, tag in ipairs(cjson.decode(ARGV[8])) do look_at(tag, true) end
if not void then
  redis.call('HSET', KEYS[1], 'body', ARGV[2], 'clock', ARGV[3], 'tags', ARGV[8], 'stale', ARGV[5], 'load', ARGV[7])
  redis.call('PEXPIRE', KEYS[1], ARGV[6])
end
if ARGV[10] ~= '' and redis.call('GET', KEYS[2]) == ARGV[10] then redis.call('UNLINK', KEYS[2]) end
return void and 0 or 1
"""
)
# ARGV: prefix, message, position, ms to remember, whether everything, how many of the names are keys, names.
_INVALIDATE = (
    _TAKES_LITTLE
    + _CLOCK
    + """
local p, position = ARGV[1], ARGV[3]
the_clock(p)
local clock = redis.call('INCR', p .. 'clock')
if ARGV[5] == '1' then redis.call('SET', p .. 'floor', clock) end
for at = 7, #ARGV do
  local stone = p .. 't:' .. ARGV[at]
  if at < 7 + tonumber(ARGV[6]) then redis.call('UNLINK', p .. 'e:' .. ARGV[at]) end
  redis.call('HSET', stone, 'clock', clock)
  if position > (redis.call('HGET', stone, 'position') or '') then redis.call('HSET', stone, 'position', position) end
  redis.call('PEXPIRE', stone, ARGV[4])
end
redis.call('PUBLISH', p .. 'changed', ARGV[2])
return clock
"""
)
_RENEW = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('PEXPIRE', KEYS[1], ARGV[2]) end return 0"
_RELEASE = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('UNLINK', KEYS[1]) end return 0"
# Names told in one script: the server does nothing else meanwhile.
_NAMES_MOST = 1_000
# Questions under way at once; the next wait, within their budget.
_CONNECTIONS_MOST = 32


class ValkeyLayer:
    """A Valkey or Redis at *url*.

    Args:
        url: `redis://host:port/number`, or `unix://path`.
        prefix: What all its keys begin with; processes with the same prefix are one fleet.
        budget: How long a request waits for it.
        remember: How long an invalidation is remembered: no entry lives longer, and no load may take longer.
        lease: After how long without a word from its owner a lease is over: its process may be gone. Owners say it thrice as often.
        silence: After how long without a message the connection that hears of changes is tested, and how long it has to answer.
        options: For the redis client.

    Raises:
        MissingExtra: redis is not installed.
        InvalidInput: With every time that cannot be.
    """

    name = "valkey"

    def __init__(
        self,
        url: str,
        *,
        prefix: str = "scaleworthy:",
        budget: str = "50ms",
        remember: str = "2h",
        lease: str = "3s",
        silence: str = "5s",
        **options: Any,
    ) -> None:
        try:
            from redis.asyncio import Redis
        except ImportError as error:
            raise MissingExtra("runtime", needed_for="a cache layer in Valkey") from error
        problems = time_problems(budget=budget, remember=remember, lease=lease, silence=silence)
        if problems:
            raise InvalidInput("this layer in Valkey cannot be", problems)
        self.budget_s = parse_duration_ns(budget) / 1e9
        self._prefix = prefix
        self._remember_ms = parse_duration_ns(remember) // 1_000_000
        self.lease_s = parse_duration_ns(lease) / 1e9
        self._silence_s = parse_duration_ns(silence) / 1e9
        # No retry: who asks goes on without it, and asks again after a pause.
        self._client: Redis = Redis.from_url(url, **{"socket_connect_timeout": self.budget_s, "retry": None} | options)
        self._room = asyncio.Semaphore(_CONNECTIONS_MOST)
        self._get, self._get_or_lease, self._put, self._invalidate, self._renew, self._release = (
            self._client.register_script(script)
            for script in (_GET, _GET_OR_LEASE, _PUT, _INVALIDATE, _RENEW, _RELEASE)
        )

    async def get(self, key: str) -> Found:
        """Return what is kept under *key*."""
        return _found(await self._run(self._get, [f"{self._prefix}e:{key}"], [self._prefix]))

    async def get_or_lease(self, key: str, owner: str, *, newer_than_ns: int) -> Found:
        """Return what is kept under *key*; unless it is fresh for longer than *newer_than_ns*, also who may load it: *owner*, if free."""
        args = [self._prefix, owner, round(self.lease_s * 1e3), newer_than_ns // 1_000_000]
        return _found(await self._run(self._get_or_lease, [f"{self._prefix}e:{key}", f"{self._prefix}l:{key}"], args))

    async def put(
        self, key: str, body: bytes, life: Life, *, load_ns: int, seen: Seen, tags: Sequence[str], owner: str
    ) -> bool:
        """Keep *body*, unless something it was made from has changed since what was *seen*; return whether it is kept.

        Either way *owner*'s lease of the key is over.
        """
        gone_ms = min(life.gone_ns // 1_000_000, self._remember_ms)
        stale_ms = max(0, gone_ms - life.stale_ns // 1_000_000)
        if gone_ms < 1:
            await self.release(key, owner)
            return False
        position = "" if seen.position is None else f"{seen.position:016x}"
        entry = [body, seen.clock, position, stale_ms, gone_ms, load_ns, json.dumps([*tags], ensure_ascii=False), key]
        args = [self._prefix, *entry, owner, self._remember_ms]
        return bool(await self._run(self._put, [f"{self._prefix}e:{key}", f"{self._prefix}l:{key}"], args))

    async def invalidate(
        self,
        *,
        keys: Sequence[str] = (),
        tags: Sequence[str] = (),
        everything: bool = False,
        position: int | None = None,
        origin: str = "",
    ) -> None:
        """Drop entries, refuse those whose load began before, and tell every process that follows."""
        names = [*keys, *tags]
        for first in range(0, max(1, len(names)), _NAMES_MOST):
            part = names[first : first + _NAMES_MOST]
            of_keys = min(max(0, len(keys) - first), len(part))
            message = {"keys": part[:of_keys], "tags": part[of_keys:], "everything": everything, "origin": origin}
            message["position"] = position
            args: list[Any] = [self._prefix, json.dumps(message), "" if position is None else f"{position:016x}"]
            await self._run(self._invalidate, [], [*args, self._remember_ms, int(everything), of_keys, *part])

    async def renew(self, key: str, owner: str) -> None:
        """Say that *owner* still loads *key*."""
        await self._run(self._renew, [f"{self._prefix}l:{key}"], [owner, round(self.lease_s * 1e3)])

    async def release(self, key: str, owner: str) -> None:
        """Let others load *key*."""
        await self._run(self._release, [f"{self._prefix}l:{key}"], [owner])

    async def changes(self) -> AsyncGenerator[dict[str, Any] | None, None]:
        """Yield what other processes say has changed, as `invalidate` was called; first None: from here on nothing is missed.

        Raises whatever redis raises when the connection is lost.
        """
        async with self._client.pubsub() as channel:
            await channel.subscribe(f"{self._prefix}changed")
            asked = False
            while True:
                message = await channel.get_message(timeout=self._silence_s)
                if message is None and asked:
                    raise TimeoutError(f"nothing was heard from it for {2 * self._silence_s:g} s")
                asked = message is None
                if message is None:
                    await channel.ping()
                elif message["type"] == "subscribe":
                    yield None
                elif message["type"] == "message":
                    yield json.loads(message["data"])

    async def ping(self) -> None:
        """Raise where it does not answer."""
        await self._client.ping()

    async def try_keeping(self) -> None:
        """Raise where it takes nothing new."""
        await self._client.set(f"{self._prefix}try", b"1", px=1_000)

    async def close(self) -> None:
        """Close its connections."""
        await self._client.aclose()

    async def _run(self, script: AsyncScript, keys: list[str], args: list[Any]) -> Any:
        async with self._room:
            return await script(keys=keys, args=args)


def _found(answer: list[Any]) -> Found:
    clock, holder, entry = answer
    if entry is None:
        return Found(None, int(clock), holder.decode())
    body, tags, stale_ms, load_ns, left_ms = entry
    fresh_ns = (int(left_ms) - int(stale_ms)) * 1_000_000
    return Found(Kept(body, fresh_ns, int(load_ns), tuple(json.loads(tags))), int(clock), holder.decode())
