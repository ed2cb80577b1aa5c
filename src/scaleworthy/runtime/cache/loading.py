"""What happens when memory has nothing fresh: ask the layers below, load where none has it, keep it in all of them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

from scaleworthy.runtime.cache.codec import Codec
from scaleworthy.runtime.cache.kinds import Kind
from scaleworthy.runtime.cache.layer import Kept, Leases, Seen
from scaleworthy.runtime.cache.lower import Lower
from scaleworthy.runtime.cache.memory import MemoryStones
from scaleworthy.runtime.lsn import Reading, reading

Loader = Callable[[], Awaitable[Any]]

MISSING: Any = object()
# What the lower layers keep for "there is nothing"; no codec's bytes are empty.
_NEGATIVE = b""
_LOOK_AGAIN_FIRST_S, _LOOK_AGAIN_MOST_S = 0.004, 0.064
# Where loading anew fails, the stale value is shown so much longer before the next try.
_AFTER_FAILURE_NS = 1_000_000_000


@dataclass(slots=True)
class _Looked:
    """What the layers below say of a key."""

    clocks: dict[str, int] = field(default_factory=dict)
    fresh: Kept | None = None
    stale: Kept | None = None
    without: list[Lower] = field(default_factory=list)
    """The layers above the one that had it."""


class Loading:
    """The cache's work beyond memory. *rng* decides on jitter and on loading ahead of time."""

    def __init__(
        self,
        *,
        lower: Sequence[Lower],
        leases: tuple[Lower, Leases] | None,
        stones: MemoryStones,
        codec: Codec | None,
        owner: str,
        rng: Random,
    ) -> None:
        self._lower = lower
        self._leases = leases
        self._stones = stones
        self._codec = codec
        self._owner = owner
        self.rng = rng
        self._behind: set[asyncio.Task[Any]] = set()

    async def find(self, kind: Kind, key: str) -> Any:
        """Return what a layer below has, stale where nothing is fresh; MISSING: none has it."""
        clock = self._stones.clock
        looked = await self._look(kind, key)
        found = looked.fresh or looked.stale
        if found is None:
            return MISSING
        return self._raise_up(kind, key, found, looked, clock)

    async def load(
        self, kind: Kind, key: str, load: Loader, tags: Sequence[str], *, refresh: bool = False, newer_than_ns: int = 0
    ) -> Any:
        """Return the value of *key* from a layer below or from *load*.

        Args:
            kind, key, load, tags: As `Cache.get_or_set` was given them.
            refresh: Somebody has a value already and waits for nothing: where another process loads, its value is awaited, and none
                loaded instead.
            newer_than_ns: An entry below counts if it is fresh for longer than this.
        """
        clock = self._stones.clock
        looked = await self._look(kind, key, newer_than_ns)
        if looked.fresh is not None:
            value = self._raise_up(kind, key, looked.fresh, looked, clock)
            left_ns, load_ns = looked.fresh.fresh_ns, looked.fresh.load_ns
            if not refresh and kind.policy.is_early(left_ns, load_ns=load_ns, rng=self.rng):
                self._later(self.load(kind, key, load, tags, refresh=True, newer_than_ns=left_ns))
            return value
        if looked.stale is not None and not refresh:
            self._later(self.load(kind, key, load, tags, refresh=True))
            return self._raise_up(kind, key, looked.stale, looked, clock)
        return await self._load_alone(kind, key, load, tags, looked, refresh=refresh, newer_than_ns=newer_than_ns)

    async def keep_everywhere(self, kind: Kind, key: str, value: Any, tags: Sequence[str]) -> None:
        """Keep *value* in every layer as it is now."""
        looked = await self._look(kind, key)
        await self._keep(kind, key, value, tags, looked.clocks, Seen(self._stones.clock, None), load_ns=0)

    async def settle(self) -> None:
        """Wait for what was left to be done behind."""
        while self._behind:
            await asyncio.gather(*self._behind, return_exceptions=True)

    async def close(self) -> None:
        """Cancel it."""
        for task in self._behind:
            task.cancel()
        await self.settle()

    async def _look(self, kind: Kind, key: str, newer_than_ns: int = 0) -> _Looked:
        looked = _Looked()
        for lower in self._lower:
            if kind.policy.fresh_ns(lower.name) is None:
                continue
            found = await lower.get(key)
            looked.clocks[lower.name] = found.clock
            if found.kept is not None and found.kept.fresh_ns > newer_than_ns:
                looked.fresh = found.kept
                kind.tally.add(lower.name)
                return looked
            if found.kept is not None and looked.stale is None:
                looked.stale = found.kept
            looked.without.append(lower)
        return looked

    def _raise_up(self, kind: Kind, key: str, kept: Kept, looked: _Looked, clock: int) -> Any:
        """Keep what a lower layer had in those above it, for no longer than it is fresh there."""
        value = None if kept.body == _NEGATIVE else self._decoded(kept.body)
        memory_ns = kind.policy.fresh_ns("memory")
        if memory_ns is not None and self._stones.admits([key, *kept.tags], Seen(clock, None)):
            life = kind.policy.life(min(memory_ns, max(0, kept.fresh_ns)), load_ns=kept.load_ns, rng=self.rng)
            kind.keep(key, value, life, load_ns=kept.load_ns, tags=kept.tags)
        if kept is looked.stale:
            kind.tally.add("stale")
            return value
        for lower in looked.without:
            fresh_ns = min(kind.policy.fresh_ns(lower.name) or 0, kept.fresh_ns)
            life = kind.policy.life(fresh_ns, load_ns=kept.load_ns, rng=self.rng)
            seen = Seen(looked.clocks[lower.name], None)
            self._later(lower.put(key, kept.body, life, load_ns=kept.load_ns, seen=seen, tags=kept.tags))
        return value

    async def _load_alone(
        self,
        kind: Kind,
        key: str,
        load: Loader,
        tags: Sequence[str],
        looked: _Looked,
        *,
        refresh: bool,
        newer_than_ns: int,
    ) -> Any:
        """Load under the fleet's lease, or wait for who has it."""
        if self._leases is None or kind.policy.fresh_ns("valkey") is None:
            return await self._load(kind, key, load, tags, looked)
        lower, leases = self._leases
        for_ms = round(kind.policy.load_timeout_s * 1e3) + 1_000
        give_up_at = time.monotonic() + kind.policy.load_timeout_s
        pause_s = _LOOK_AGAIN_FIRST_S
        while not await lower.lease(leases, key, self._owner, for_ms=for_ms):
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 2, _LOOK_AGAIN_MOST_S)
            clock = self._stones.clock
            looked = await self._look(kind, key, newer_than_ns)
            if looked.fresh is not None:
                return self._raise_up(kind, key, looked.fresh, looked, clock)
            if time.monotonic() > give_up_at:
                if refresh:
                    return None
                break
        try:
            # Who had the lease before may have put it there since we looked.
            clock = self._stones.clock
            looked = await self._look(kind, key, newer_than_ns)
            if looked.fresh is not None:
                return self._raise_up(kind, key, looked.fresh, looked, clock)
            return await self._load(kind, key, load, tags, looked)
        finally:
            await asyncio.shield(lower.release(leases, key, self._owner))

    async def _load(self, kind: Kind, key: str, load: Loader, tags: Sequence[str], looked: _Looked) -> Any:
        clock = self._stones.clock
        read = Reading()
        token = reading.set(read)
        began = time.monotonic_ns()
        try:
            async with asyncio.timeout(kind.policy.load_timeout_s):
                value = await load()
        except Exception:
            kind.tally.add("load_failed")
            kind.show_longer(key, _AFTER_FAILURE_NS)
            raise
        finally:
            reading.reset(token)
        kind.tally.add("load")
        load_ns = time.monotonic_ns() - began
        await self._keep(kind, key, value, tags, looked.clocks, Seen(clock, read.position), load_ns=load_ns)
        return value

    async def _keep(
        self,
        kind: Kind,
        key: str,
        value: Any,
        tags: Sequence[str],
        clocks: dict[str, int],
        seen: Seen,
        *,
        load_ns: int,
    ) -> None:
        """Keep *value* in memory and below; how long, is the layer's time or, for nothing, the shorter one."""
        policy = kind.policy
        negative_ns = policy.negative_ns
        if value is None and negative_ns is None:
            return

        def life_in(layer: str) -> Any:
            fresh_ns = policy.fresh_ns(layer)
            if fresh_ns is None:
                return None
            if value is None and negative_ns is not None:
                fresh_ns = min(fresh_ns, negative_ns)
            return policy.life(fresh_ns, load_ns=load_ns, rng=self.rng)

        in_memory = life_in("memory")
        if in_memory is not None:
            if self._stones.admits([key, *tags], seen):
                kind.keep(key, value, in_memory, load_ns=load_ns, tags=tags)
            else:
                kind.tally.add("refused")
        body = self._encoded(kind, value)
        if body is None:
            return
        for lower in self._lower:
            life = life_in(lower.name)
            if life is None or lower.name not in clocks:
                continue
            there = Seen(clocks[lower.name], seen.position)
            await lower.put(key, body, life, load_ns=load_ns, seen=there, tags=tags)

    def _encoded(self, kind: Kind, value: Any) -> bytes | None:
        if self._codec is None:
            return None
        if value is None:
            return _NEGATIVE
        try:
            return self._codec.encode(value)
        except (TypeError, ValueError):
            kind.tally.add("unstorable")
            return None

    def _decoded(self, body: bytes) -> Any:
        assert self._codec is not None
        return self._codec.decode(body)

    def _later(self, work: Awaitable[Any]) -> None:
        task = asyncio.ensure_future(work)
        self._behind.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._behind.discard(task)
        if not task.cancelled():
            # A refresh that failed is counted where it failed; the stale value is shown meanwhile.
            task.exception()
