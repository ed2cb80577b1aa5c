"""The layer in Valkey or Redis: entries, leases, and word of what has changed to every process.

Each act is one script, so that looking at tombstones and keeping an entry is one step for the server. All keys begin with the prefix:
`e:KEY` the entry, `t:NAME` the tombstone of a key or tag, `l:KEY` the lease, `clock` the number of invalidations, `floor` the clock below
which everything is void. The clock begins at the server's own time, so that it never goes back when the server loses its data, and
begins with a floor, so that loads which began before are refused.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING, Any

from scaleworthy.errors import MissingExtra
from scaleworthy.runtime.cache.layer import Found, Kept, Seen
from scaleworthy.runtime.cache.policy import Life
from scaleworthy.units import parse_duration_ns

if TYPE_CHECKING:
    from redis.asyncio import Redis

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
_GET = (
    _CLOCK
    + """
local p = ARGV[1]
local clock = the_clock(p)
local kept = redis.call('HMGET', KEYS[1], 'body', 'clock', 'tags', 'stale', 'load')
if not kept[1] then return {clock} end
local mine = tonumber(kept[2])
local void = tonumber(redis.call('GET', p .. 'floor') or clock) > mine
for tag in string.gmatch(kept[3], '[^\\n]+') do
  local buried = redis.call('HGET', p .. 't:' .. tag, 'clock')
  void = void or (buried and tonumber(buried) > mine)
end
if void then
  redis.call('UNLINK', KEYS[1])
  return {clock}
end
return {clock, kept[1], kept[3], kept[4], kept[5], redis.call('PTTL', KEYS[1])}
"""
)
# ARGV: prefix, body, clock and position of the load, ms stale, ms until gone, ns it took, tags, key.
_PUT = (
    _CLOCK
    + """
local p, clock, position = ARGV[1], tonumber(ARGV[3]), ARGV[4]
the_clock(p)
if tonumber(redis.call('GET', p .. 'floor') or '1e18') > clock then return 0 end
for name in string.gmatch(ARGV[9] .. '\\n' .. ARGV[8], '[^\\n]+') do
  local buried = redis.call('HMGET', p .. 't:' .. name, 'clock', 'position')
  if buried[1] and tonumber(buried[1]) > clock then return 0 end
  if position ~= '' and buried[2] and buried[2] > position then return 0 end
end
redis.call('HSET', KEYS[1], 'body', ARGV[2], 'clock', ARGV[3], 'tags', ARGV[8], 'stale', ARGV[5], 'load', ARGV[7])
redis.call('PEXPIRE', KEYS[1], ARGV[6])
return 1
"""
)
# ARGV: prefix, message, position, ms to remember, whether everything, how many of the names are keys, names.
_INVALIDATE = (
    _CLOCK
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
_RELEASE = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('UNLINK', KEYS[1]) end return 0"
# Names told in one script: the server does nothing else meanwhile.
_NAMES_MOST = 1_000


class ValkeyLayer:
    """A Valkey or Redis at *url*.

    Args:
        url: `redis://host:port/number`, or `unix://path`.
        prefix: What all its keys begin with; processes with the same prefix are one fleet.
        budget: How long a request waits for it.
        remember: How long an invalidation is remembered: no entry lives longer, and no load may take longer.

    Raises:
        MissingExtra: redis is not installed.
    """

    name = "valkey"

    def __init__(
        self, url: str, *, prefix: str = "scaleworthy:", budget: str = "50ms", remember: str = "2h", **options: Any
    ) -> None:
        try:
            from redis.asyncio import Redis
        except ImportError as error:
            raise MissingExtra("runtime", needed_for="a cache layer in Valkey") from error
        self.budget_s = parse_duration_ns(budget) / 1e9
        self._prefix = prefix
        self._remember_ms = parse_duration_ns(remember) // 1_000_000
        # No retry: who asks goes on without it, and asks again after a pause.
        self._client: Redis = Redis.from_url(url, **{"socket_connect_timeout": self.budget_s, "retry": None} | options)
        self._get, self._put, self._invalidate, self._release = (
            self._client.register_script(script) for script in (_GET, _PUT, _INVALIDATE, _RELEASE)
        )

    async def get(self, key: str) -> Found:
        """Return what is kept under *key*."""
        answer = await self._get(keys=[f"{self._prefix}e:{key}"], args=[self._prefix])
        clock = int(answer[0])
        if len(answer) == 1:
            return Found(None, clock)
        _, body, tags, stale_ms, load_ns, left_ms = answer
        fresh_ns = (int(left_ms) - int(stale_ms)) * 1_000_000
        return Found(Kept(body, fresh_ns, int(load_ns), tuple(tags.decode().splitlines())), clock)

    async def put(self, key: str, body: bytes, life: Life, *, load_ns: int, seen: Seen, tags: Sequence[str]) -> bool:
        """Keep *body*, unless something it was made from has changed since what was *seen*; return whether it is kept."""
        gone_ms = min(life.gone_ns // 1_000_000, self._remember_ms)
        stale_ms = max(0, gone_ms - life.stale_ns // 1_000_000)
        if gone_ms < 1:
            return False
        position = "" if seen.position is None else f"{seen.position:016x}"
        kept = await self._put(
            keys=[f"{self._prefix}e:{key}"],
            args=[self._prefix, body, seen.clock, position, stale_ms, gone_ms, load_ns, "\n".join(tags), key],
        )
        return bool(kept)

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
            await self._invalidate(args=[*args, self._remember_ms, int(everything), of_keys, *part])

    async def lease(self, key: str, owner: str, *, for_ms: int) -> bool:
        """Return whether *owner* may load *key* now; others may when it says so, or after *for_ms*."""
        return bool(await self._client.set(f"{self._prefix}l:{key}", owner, nx=True, px=for_ms))

    async def release(self, key: str, owner: str) -> None:
        """Let others load *key*."""
        await self._release(keys=[f"{self._prefix}l:{key}"], args=[owner])

    async def changes(self) -> AsyncIterator[dict[str, Any] | None]:
        """Yield what other processes say has changed, as `invalidate` was called; first None: from here on nothing is missed.

        Raises whatever redis raises when the connection is lost.
        """
        async with self._client.pubsub() as channel:
            await channel.subscribe(f"{self._prefix}changed")
            async for message in channel.listen():
                if message["type"] == "subscribe":
                    yield None
                elif message["type"] == "message":
                    yield json.loads(message["data"])

    async def close(self) -> None:
        """Close its connections."""
        await self._client.aclose()
