"""A layer below memory as the cache asks it: guarded, and made to forget what it was not told while it was gone."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from scaleworthy.runtime.cache.layer import Found, Leases, Seen, SharedLayer
from scaleworthy.runtime.cache.policy import Life
from scaleworthy.runtime.guard import Guard

_NOTHING = Found(None, -1)


class Lower:
    """One layer; *leases* is the same one, where it can do that. None of its methods raises.

    What keeps entries is guarded apart from the rest: a server that is full can still be read, and can still be told what changed.
    """

    def __init__(
        self, layer: SharedLayer, leases: Leases | None = None, *, now: Callable[[], float] = time.monotonic
    ) -> None:
        self.lease_s = 0.0 if leases is None else leases.lease_s
        self.name = layer.name
        self._layer = layer
        self._leases = leases
        self._guard = Guard(layer.name, budget_s=layer.budget_s, now=now)
        self._keeping = Guard(f"{layer.name} keeps nothing new", budget_s=layer.budget_s, now=now)
        # Changes it was not told of because it was gone, and how many of them clearing it has made good: what it kept from before
        # the others may be wrong.
        self._missed = self._made_good = 0

    def trouble(self) -> str | None:
        """Return why it is left alone; None: it serves."""
        return self._guard.trouble or self._keeping.trouble

    async def try_now(self) -> None:
        """Ask whether it answers, left alone or not, and whether it keeps what is new, where it did not."""
        await self._guard.try_now(self._layer.ping, otherwise=None)
        if self._guard.trouble is None and self._keeping.trouble is not None:
            await self._keeping.try_now(self._layer.try_keeping, otherwise=None)

    async def get(self, key: str) -> Found:
        """Return what it has; nothing, and a clock of -1, where it does not serve."""
        return await self._guard.ask(lambda: self._get(key), _NOTHING)

    async def get_or_lease(self, key: str, owner: str, *, newer_than_ns: int) -> Found:
        """Return what it has, and who may load it anew: nobody in particular where it gives no leases or does not serve."""
        leases = self._leases
        if leases is None:
            return await self.get(key)

        async def ask() -> Found:
            await self._clear_if_owed()
            return await leases.get_or_lease(key, owner, newer_than_ns=newer_than_ns)

        return await self._guard.ask(ask, _NOTHING)

    async def put(
        self, key: str, body: bytes, life: Life, *, load_ns: int, seen: Seen, tags: Sequence[str], owner: str = ""
    ) -> None:
        """Keep *body* where nothing it was made from has changed since, and end *owner*'s lease."""

        async def ask() -> bool:
            await self._layer.put(key, body, life, load_ns=load_ns, seen=seen, tags=tags, owner=owner)
            return True

        knows = seen.clock >= 0 and self._missed == self._made_good and self._guard.trouble is None
        if not (knows and await self._keeping.ask(ask, otherwise=False)) and owner:
            await self.release(key, owner)

    async def invalidate(
        self, keys: Sequence[str], tags: Sequence[str], *, everything: bool, position: int | None, origin: str
    ) -> bool:
        """Drop entries and return True; where it does not serve return False, and drop all before it is next asked for one."""

        async def tell() -> bool:
            await self._clear_if_owed()
            await self._layer.invalidate(keys=keys, tags=tags, everything=everything, position=position, origin=origin)
            return True

        told = await self._guard.ask(tell, otherwise=False)
        self._missed += not told
        return told

    async def renew(self, key: str, owner: str) -> None:
        """Say that *owner* still loads *key*."""
        leases = self._leases
        if leases is not None:
            await self._guard.ask(lambda: leases.renew(key, owner), otherwise=None)

    async def release(self, key: str, owner: str) -> None:
        """Let others load *key*."""
        leases = self._leases
        if leases is not None:
            await self._guard.ask(lambda: leases.release(key, owner), otherwise=None)

    async def _get(self, key: str) -> Found:
        await self._clear_if_owed()
        return await self._layer.get(key)

    async def _clear_if_owed(self) -> None:
        missed = self._missed
        if missed > self._made_good:
            await self._layer.invalidate(keys=(), tags=(), everything=True, position=None, origin="")
            # What it missed meanwhile may have come after the clearing.
            self._made_good = max(self._made_good, missed)
