"""A layer below memory as the cache asks it: guarded, and made to forget what it was not told while it was gone."""

from __future__ import annotations

from collections.abc import Sequence

from scaleworthy.runtime.cache.layer import Found, Leases, Seen, SharedLayer
from scaleworthy.runtime.cache.policy import Life
from scaleworthy.runtime.guard import Guard

_NOTHING = Found(None, -1)


class Lower:
    """One layer. None of its methods raises."""

    def __init__(self, layer: SharedLayer) -> None:
        self.name = layer.name
        self._layer = layer
        self._guard = Guard(layer.name, budget_s=layer.budget_s)
        # It was gone when something changed: what it kept from before may be wrong.
        self._owes_clearing = False

    @property
    def trouble(self) -> str | None:
        """Why it is left alone; None: it serves."""
        return self._guard.trouble

    async def get(self, key: str) -> Found:
        """Return what it has; nothing, and a clock of -1, where it does not serve."""

        async def ask() -> Found:
            await self._clear_if_owed()
            return await self._layer.get(key)

        return await self._guard.ask(ask, _NOTHING)

    async def put(self, key: str, body: bytes, life: Life, *, load_ns: int, seen: Seen, tags: Sequence[str]) -> bool:
        """Return False where it refuses the value because something has changed since; True too where it does not serve."""
        if seen.clock < 0 or self._owes_clearing:
            return True
        return await self._guard.ask(
            lambda: self._layer.put(key, body, life, load_ns=load_ns, seen=seen, tags=tags), otherwise=True
        )

    async def invalidate(
        self, keys: Sequence[str], tags: Sequence[str], *, everything: bool, position: int | None, origin: str
    ) -> bool:
        """Drop entries and return True; where it does not serve return False, and drop all before it is next asked for one."""

        async def tell() -> bool:
            await self._clear_if_owed()
            await self._layer.invalidate(keys=keys, tags=tags, everything=everything, position=position, origin=origin)
            return True

        told = await self._guard.ask(tell, otherwise=False)
        self._owes_clearing |= not told
        return told

    async def lease(self, leases: Leases, key: str, owner: str, *, for_ms: int) -> bool:
        """Return whether *owner* may load *key*; where the layer does not serve, it may."""
        return await self._guard.ask(lambda: leases.lease(key, owner, for_ms=for_ms), otherwise=True)

    async def release(self, leases: Leases, key: str, owner: str) -> None:
        """Let others load *key*."""
        await self._guard.ask(lambda: leases.release(key, owner), otherwise=None)

    async def _clear_if_owed(self) -> None:
        if self._owes_clearing:
            await self._layer.invalidate(keys=(), tags=(), everything=True, position=None, origin="")
            self._owes_clearing = False
