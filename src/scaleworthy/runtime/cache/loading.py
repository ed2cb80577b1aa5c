"""What happens when memory has nothing fresh: ask the layers below, load where none has it, keep it in all of them.

A caller waits for one look at each layer, and for the load. Keeping what was loaded in the layers below is done behind it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import nullcontext
from random import Random
from typing import Any

from scaleworthy.runtime.cache.codec import Codec
from scaleworthy.runtime.cache.flight import Behind, Flights
from scaleworthy.runtime.cache.kinds import Kind
from scaleworthy.runtime.cache.layer import Kept, Seen
from scaleworthy.runtime.cache.lease import HeldLease
from scaleworthy.runtime.cache.looking import NEGATIVE, Looked, look
from scaleworthy.runtime.cache.lower import Lower
from scaleworthy.runtime.cache.memory import MemoryStones
from scaleworthy.runtime.cache.policy import Life
from scaleworthy.runtime.lsn import Reading, reading

Loader = Callable[[], Awaitable[Any]]

MISSING: Any = object()
_LOOK_AGAIN_FIRST_S, _LOOK_AGAIN_MOST_S = 0.004, 0.064
# Who has waited for so many processes that loaded nothing which could be kept loads for itself, at the same time as others.
_HOLDERS_MOST = 2
# Keys loaded anew at once, behind those who ask; the next is left stale until it is asked for again.
_REFRESHES_MOST = 1_000
# Where loading anew fails, the stale value is shown so much longer before the next try.
_AFTER_FAILURE_NS = 1_000_000_000


class Loading:
    """The cache's work beyond memory. *rng* decides on jitter and on loading ahead of time."""

    def __init__(
        self,
        *,
        lower: Sequence[Lower],
        leases: Lower | None,
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
        self._leased = 0
        self.rng = rng
        self._refreshes = Flights()
        self._behind = Behind()

    async def find(self, kind: Kind, key: str) -> Any:
        """Return what a layer below has, stale where nothing is fresh; MISSING: none has it."""
        looked = await self._look(kind, key)
        if looked.fresh is None and looked.stale is None:
            kind.tally.add("not_found")
            return MISSING
        return self._raise_up(kind, key, looked)

    async def load(self, kind: Kind, key: str, load: Loader, tags: Sequence[str]) -> Any:
        """Return the value of *key* from a layer below or from *load*."""
        refreshing = self._refreshes.task(f"{kind.name}:{key}")
        owner = self._new_owner(kind)
        looked = await self._look(kind, key, owner=owner)
        if looked.fresh is not None:
            if self._is_early(kind, looked.fresh.kept):
                self.refresh(kind, key, load, tags, newer_than_ns=looked.fresh.kept.fresh_ns)
            return self._raise_up(kind, key, looked)
        if looked.stale is not None:
            self._refresh(kind, key, lambda: self._load_when_free(kind, key, load, tags, looked, owner, refresh=True))
            return self._raise_up(kind, key, looked)
        if refreshing is not None and looked.holder != owner:
            value = await asyncio.shield(refreshing)
            if value is not MISSING:
                return value
        return await self._load_when_free(kind, key, load, tags, looked, owner)

    def refresh(self, kind: Kind, key: str, load: Loader, tags: Sequence[str], *, newer_than_ns: int = 0) -> None:
        """See to it, behind the caller, that there is a value that is fresh for longer than *newer_than_ns*."""

        async def work() -> Any:
            newer, owner = newer_than_ns, self._new_owner(kind)
            looked = await self._look(kind, key, newer, owner=owner, refresh=True)
            for _ in self._lower:
                if looked.fresh is None or not self._is_early(kind, looked.fresh.kept):
                    break
                # What is kept there is hardly newer: the one who is to load ahead of time may be this one.
                newer = looked.fresh.kept.fresh_ns
                looked = await self._look(kind, key, newer, owner=owner, refresh=True)
            if looked.fresh is not None:
                return self._raise_up(kind, key, looked)
            return await self._load_when_free(kind, key, load, tags, looked, owner, refresh=True, newer_than_ns=newer)

        self._refresh(kind, key, work)

    async def keep_everywhere(self, kind: Kind, key: str, value: Any, tags: Sequence[str]) -> None:
        """Keep *value* in every layer as it is now, and return when that is done."""
        looked = await self._look(kind, key)
        self._keep_in_memory(kind, key, value, tags, Seen(looked.memory_clock, None), load_ns=0)
        await self._keep_below(kind, key, value, tags, looked, Seen(0, None), load_ns=0, owner="")

    async def settle(self) -> None:
        """Wait for what was left to be done behind."""
        while len(self._refreshes) or len(self._behind):
            await self._refreshes.settle()
            await self._behind.settle()

    async def close(self) -> None:
        """Give up what is being loaded anew; what is being kept has its budget, and is waited for."""
        await self._refreshes.close()
        await self._behind.settle()

    def _refresh(self, kind: Kind, key: str, work: Callable[[], Awaitable[Any]]) -> None:
        if len(self._refreshes) < _REFRESHES_MOST:
            self._refreshes.begin(f"{kind.name}:{key}", work)

    def _is_early(self, kind: Kind, kept: Kept) -> bool:
        return kind.policy.is_early(kept.fresh_ns, load_ns=kept.load_ns, rng=self.rng)

    def _new_owner(self, kind: Kind) -> str:
        """Return the name for a lease of one load; empty where there are none."""
        if self._leases is None or kind.policy.fresh_ns(self._leases.name) is None:
            return ""
        self._leased += 1
        return f"{self._owner}:{self._leased}"

    async def _look(
        self, kind: Kind, key: str, newer_than_ns: int = 0, *, owner: str = "", refresh: bool = False
    ) -> Looked:
        clock = self._stones.clock
        return await look(
            kind, key, self._lower, self._codec, clock=clock, owner=owner, newer_than_ns=newer_than_ns, refresh=refresh
        )

    async def _load_when_free(
        self,
        kind: Kind,
        key: str,
        load: Loader,
        tags: Sequence[str],
        looked: Looked,
        owner: str,
        *,
        refresh: bool = False,
        newer_than_ns: int = 0,
    ) -> Any:
        """Load under the fleet's lease, or wait for who has it: for its value, and where it has none to keep, not for ever."""
        give_up_at = time.monotonic() + kind.policy.load_timeout_s
        pause_s = _LOOK_AGAIN_FIRST_S
        holders = set()
        while looked.holder not in ("", owner):
            holders.add(looked.holder)
            if len(holders) > _HOLDERS_MOST or time.monotonic() > give_up_at:
                if refresh:
                    return MISSING
                break
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 2, _LOOK_AGAIN_MOST_S)
            looked = await self._look(kind, key, newer_than_ns, owner=owner, refresh=refresh)
            if looked.fresh is not None:
                return self._raise_up(kind, key, looked)
        return await self._load(kind, key, load, tags, looked, owner if looked.holder == owner else "", refresh=refresh)

    async def _load(
        self, kind: Kind, key: str, load: Loader, tags: Sequence[str], looked: Looked, owner: str, *, refresh: bool
    ) -> Any:
        clock = self._stones.clock
        read = Reading()
        token = reading.set(read)
        began = time.monotonic_ns()
        held = HeldLease(self._leases, key, owner) if self._leases is not None and owner else nullcontext()
        if refresh:
            kind.tally.add("refresh")
        try:
            with held:
                value = await _loaded(kind, key, load)
        except BaseException as error:
            if isinstance(error, Exception):
                kind.tally.add("load_failed")
                kind.show_longer(key, _AFTER_FAILURE_NS)
            if self._leases is not None and owner:
                self._later(kind, self._leases.release(key, owner))
            raise
        finally:
            reading.reset(token)
        load_ns = time.monotonic_ns() - began
        kind.loaded(load_ns)
        seen = Seen(clock, read.position)
        self._keep_in_memory(kind, key, value, tags, seen, load_ns=load_ns)
        self._later(kind, self._keep_below(kind, key, value, tags, looked, seen, load_ns=load_ns, owner=owner))
        return value

    def _raise_up(self, kind: Kind, key: str, looked: Looked) -> Any:
        """Keep what a lower layer had in those above it, for no longer than it is fresh there."""
        found = looked.fresh or looked.stale
        assert found is not None
        kept, value = found.kept, found.value
        memory_ns = kind.policy.fresh_ns("memory")
        if memory_ns is not None and self._stones.admits([key, *kept.tags], Seen(looked.memory_clock, None)):
            life = kind.policy.life(min(memory_ns, kept.fresh_ns), load_ns=kept.load_ns, rng=self.rng)
            kind.keep(key, value, life, load_ns=kept.load_ns, tags=kept.tags)
        if looked.fresh is None:
            kind.tally.add("stale")
            return value
        for lower in looked.without:
            fresh_ns = min(kind.policy.fresh_ns(lower.name) or 0, kept.fresh_ns)
            life = kind.policy.life(fresh_ns, load_ns=kept.load_ns, rng=self.rng)
            seen = Seen(looked.clocks[lower.name], None)
            # Whoever has the lease: there is a value now.
            owner = looked.holder if lower is self._leases else ""
            put = lower.put(key, kept.body, life, load_ns=kept.load_ns, seen=seen, tags=kept.tags, owner=owner)
            self._later(kind, put)
        return value

    def _keep_in_memory(
        self, kind: Kind, key: str, value: Any, tags: Sequence[str], seen: Seen, *, load_ns: int
    ) -> None:
        life = self._life_in("memory", kind, value, load_ns)
        if life is None:
            return
        if self._stones.admits([key, *tags], seen):
            kind.keep(key, value, life, load_ns=load_ns, tags=tags)
        else:
            kind.tally.add("refused")

    async def _keep_below(
        self,
        kind: Kind,
        key: str,
        value: Any,
        tags: Sequence[str],
        looked: Looked,
        seen: Seen,
        *,
        load_ns: int,
        owner: str,
    ) -> None:
        body = self._encoded(kind, value) if looked.clocks else None
        for lower in self._lower:
            life = self._life_in(lower.name, kind, value, load_ns)
            mine = owner if lower is self._leases else ""
            if body is not None and life is not None and lower.name in looked.clocks:
                there = Seen(looked.clocks[lower.name], seen.position)
                await lower.put(key, body, life, load_ns=load_ns, seen=there, tags=tags, owner=mine)
            elif mine:
                await lower.release(key, mine)

    def _life_in(self, layer: str, kind: Kind, value: Any, load_ns: int) -> Life | None:
        """Return how long *value* is kept in *layer*: the layer's time or, for nothing, the shorter one; None: not at all."""
        policy = kind.policy
        fresh_ns, negative_ns = policy.fresh_ns(layer), policy.negative_ns
        if fresh_ns is None or (value is None and negative_ns is None):
            return None
        if value is None and negative_ns is not None:
            fresh_ns = min(fresh_ns, negative_ns)
        return policy.life(fresh_ns, load_ns=load_ns, rng=self.rng)

    def _encoded(self, kind: Kind, value: Any) -> bytes | None:
        if self._codec is None:
            return None
        if value is None:
            return NEGATIVE
        try:
            body = self._codec.encode(value)
        except (TypeError, ValueError):
            body = None
        if body is not None and len(body) <= kind.policy.bytes_most:
            return body
        kind.tally.add("unstorable")
        return None

    def _later(self, kind: Kind, work: Coroutine[Any, Any, None]) -> None:
        if not self._behind.begin(work):
            kind.tally.add("unkept")


async def _loaded(kind: Kind, key: str, load: Loader) -> Any:
    """Return what *load* returns.

    Raises:
        TimeoutError: It took too long.
    """
    limit = asyncio.timeout(kind.policy.load_timeout_s)
    try:
        async with limit:
            return await load()
    except TimeoutError as error:
        if not limit.expired():
            raise
        raise TimeoutError(
            f"the loader of {key!r} took longer than {kind.policy.load_timeout}, the load_timeout of class {kind.name!r}"
        ) from error
