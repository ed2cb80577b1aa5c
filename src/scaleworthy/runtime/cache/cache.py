"""The cache: asks memory, then the layers below, then the loader; keeps what it found in every layer above.

What keeps an old value out: a load remembers how many invalidations it had seen when it began (memory's and each layer's own clock, and
the position of the replica it read, if the database part says one), and is kept only where none has come since for its key or tags.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterable, Awaitable, Callable, Mapping, Sequence
from random import Random
from typing import Any, Self
from uuid import uuid4

from scaleworthy.errors import UsageError
from scaleworthy.runtime.cache.backplane import Backplane
from scaleworthy.runtime.cache.codec import Codec, JsonCodec
from scaleworthy.runtime.cache.flight import Flights
from scaleworthy.runtime.cache.kinds import Clock, Kind
from scaleworthy.runtime.cache.layer import SharedLayer
from scaleworthy.runtime.cache.loading import MISSING, Loader, Loading
from scaleworthy.runtime.cache.lower import Lower
from scaleworthy.runtime.cache.memory import MemoryStones
from scaleworthy.runtime.cache.names import require_several
from scaleworthy.runtime.cache.policy import Policy
from scaleworthy.runtime.cache.statistics import ClassStatistics
from scaleworthy.runtime.cache.table import TableLayer
from scaleworthy.runtime.cache.valkey import ValkeyLayer
from scaleworthy.runtime.tenant import tenant_key
from scaleworthy.series.meter import Meter

DEFAULT = "default"


class Cache:
    """A layered cache. `open` (or `async with`) lets it hear of other processes' invalidations; without, entries end by time alone.

    Args:
        valkey: The layer the processes of a fleet share, if there is one.
        table: The layer in a database, if there is one.
        classes: A policy for each class of data; what is asked for without one is of class `default`.
        codec: How values become bytes for the lower layers. Values in memory are the objects themselves: do not change them.
        meter: What the counts of each class are recorded with (`runtime.cache.…` in docs/reference/series.md).
        now_ns, rng: For tests.

    Loaders are coroutine functions without arguments; None means that there is nothing, and is remembered for the policy's `negative`.
    """

    def __init__(
        self,
        *,
        valkey: ValkeyLayer | None = None,
        table: TableLayer | None = None,
        classes: Mapping[str, Policy] | None = None,
        codec: Codec | None = None,
        meter: Meter | None = None,
        now_ns: Clock | None = None,
        rng: Random | None = None,
    ) -> None:
        policies = {DEFAULT: Policy(), **(classes or {})}
        self._kinds = {name: Kind(name, policy, now_ns=now_ns, meter=meter) for name, policy in policies.items()}
        self._default = self._kinds[DEFAULT]
        self._stones = MemoryStones()
        self._flights = Flights()
        self._layers: list[SharedLayer] = [layer for layer in (valkey, table) if layer is not None]
        self._id = uuid4().hex
        now = time.monotonic if now_ns is None else lambda: now_ns() / 1e9
        self._lower = [Lower(layer, valkey if layer is valkey else None, now=now) for layer in self._layers]
        self._loading = Loading(
            lower=self._lower,
            leases=None if valkey is None else self._lower[0],
            stones=self._stones,
            codec=codec or (JsonCodec() if self._layers else None),
            owner=self._id,
            rng=rng or Random(),
        )
        self._backplane = None if valkey is None else Backplane(valkey, own=self._id, changed=self._changed)

    async def open(self) -> None:
        """Begin to hear what other processes invalidate; a Valkey that is not there is waited for beside."""
        if self._backplane is not None:
            self._backplane.start()

    async def listening(self) -> None:
        """Wait until other processes are heard; without a Valkey there is none to hear."""
        if self._backplane is not None:
            await self._backplane.listening()

    def next_change(self) -> Awaitable[None]:
        """Return what is done when the next invalidation by another process has been taken."""
        return asyncio.sleep(0) if self._backplane is None else self._backplane.next_change()

    async def close(self) -> None:
        """End what is under way and close the layers' connections."""
        if self._backplane is not None:
            await self._backplane.stop()
        await self._flights.close()
        await self._loading.close()
        for layer in self._layers:
            await layer.close()

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def keeps(self, kind: str) -> bool:
        """Return whether there is such a class of data."""
        return kind in self._kinds

    async def get(self, key: str, default: Any = None, *, kind: str = DEFAULT) -> Any:
        """Return what is kept under *key*, stale values too while the policy allows; *default* where nothing is."""
        known = self._default if kind == DEFAULT else self._kind(kind)
        value = known.get(key, MISSING)
        if value is not MISSING:
            return value
        found = await self._find(known, key)
        return default if found is MISSING else found

    async def get_or_set(self, key: str, load: Loader, *, kind: str = DEFAULT, tags: Sequence[str] = ()) -> Any:
        """Return what is kept under *key*, else what *load* returns, which is kept.

        However many ask at once, and in however many processes, one loads; the others wait for it, or get the stale value while the
        policy allows one. What *load* raises reaches all who wait in this process, and nothing is kept.
        """
        known = self._default if kind == DEFAULT else self._kind(kind)
        value = known.get(key, MISSING)
        if value is not MISSING:
            return value
        return await self._beyond_memory(known, key, load, tags)

    async def set(self, key: str, value: Any, *, kind: str = DEFAULT, tags: Sequence[str] = ()) -> None:
        """Keep *value* in every layer, whatever was there; other processes drop theirs."""
        require_several(tags=tags)
        known = self._kind(kind)
        await self.invalidate(keys=[key])
        await self._loading.keep_everywhere(known, key, value, tags)

    async def warm(
        self, entries: AsyncIterable[tuple[str, Loader]], *, kind: str = DEFAULT, tags: Sequence[str] = ()
    ) -> int:
        """Load *entries* (key and loader) that are not there yet, one after another; return how many values there are now."""
        count = 0
        async for key, load in entries:
            await self.get_or_set(key, load, kind=kind, tags=tags)
            count += 1
        return count

    async def invalidate(
        self,
        *,
        keys: Sequence[str] = (),
        tags: Sequence[str] = (),
        everything: bool = False,
        position: int | None = None,
    ) -> bool:
        """Drop entries everywhere, and refuse those whose load began before. Return whether every layer has been told.

        Args:
            keys: Of entries.
            tags: Of entries.
            everything: All there is.
            position: Of the change in the write-ahead log, where it is known: loads from replicas behind it are refused.

        A layer that cannot be reached is emptied when it next is; `trouble` says so.

        Raises:
            UsageError: The keys, or the tags, are one text.
        """
        require_several(keys=keys, tags=tags)
        self._changed(keys, tags, everything, position)
        told = True
        # From below: an upper layer that forgot first would be filled again with what a lower one still has. Memory forgets first, so
        # that nobody here sees it any longer, and last, for what was filled meanwhile.
        for lower in reversed(self._lower):
            told &= await lower.invalidate(keys, tags, everything=everything, position=position, origin=self._id)
        if self._lower:
            self._changed(keys, tags, everything, position)
        return told

    def cached(
        self, key: str, *, kind: str = DEFAULT, tags: Sequence[str] = ()
    ) -> Callable[[Callable[..., Awaitable[Any]]], Callable[..., Awaitable[Any]]]:
        """Keep what a coroutine function returns under *key*, in which `{name}` stands for an argument.

        The key is the current tenant's own (`runtime.tenant`), if there is one; so are the tags.
        """
        from scaleworthy.runtime.cache.decorator import decorate

        return decorate(self._kind(kind), self._beyond_memory, key, tags)

    async def get_for_tenant(self, key: str, load: Loader, *, kind: str = DEFAULT, tags: Sequence[str] = ()) -> Any:
        """`get_or_set` under the current tenant's own key and tags, `tenant:{id}:{key}`."""
        return await self.get_or_set(tenant_key(key), load, kind=kind, tags=[tenant_key(tag) for tag in tags])

    async def settle(self) -> None:
        """Wait until what is done behind the callers (refreshes, filling upper layers) is done."""
        await self._flights.settle()
        await self._loading.settle()

    def statistics(self) -> dict[str, ClassStatistics]:
        """Return the counts of each class."""
        return {name: kind.statistics() for name, kind in self._kinds.items()}

    async def check(self) -> str | None:
        """Ask each layer now, those that are left alone too, and return `trouble`: for a health page. Takes two budgets at most."""
        await asyncio.gather(*(lower.try_now() for lower in self._lower))
        if self._backplane is not None and self._lower[0].trouble() is None:
            await self._backplane.try_now(within_s=self._layers[0].budget_s)
        return self.trouble()

    def trouble(self) -> str | None:
        """Return which layers are left alone and why; None: all serve."""
        reasons = [lower.trouble() for lower in self._lower]
        if self._backplane is not None:
            reasons.append(self._backplane.trouble)
        return "; ".join(reason for reason in reasons if reason) or None

    async def _find(self, known: Kind, key: str) -> Any:
        """Return what is stale or due in memory, or below it; MISSING: nothing is. Apart from `get`, where a closure costs each hit."""
        looked = known.look(key)
        if looked is not None:
            return looked[0]
        if not self._layers:
            known.tally.add("not_found")
            return MISSING
        return await self._flights.join(f"?{known.name}:{key}", lambda: self._loading.find(known, key))

    async def _beyond_memory(self, known: Kind, key: str, load: Loader, tags: Sequence[str]) -> Any:
        """Return what is stale or due in memory, below it, or loaded; memory has been asked for what is fresh and counted it."""
        looked = known.look(key)
        if looked is not None:
            kept, state, load_ns, left_ns = looked
            if state == "stale" or known.policy.is_early(left_ns, load_ns=load_ns, rng=self._loading.rng):
                self._loading.refresh(known, key, load, tags)
            return kept
        require_several(tags=tags)
        flight = f"{known.name}:{key}"
        if self._flights.task(flight) is not None:
            known.tally.add("joined")
        return await self._flights.join(flight, lambda: self._loading.load(known, key, load, tags))

    def _changed(self, keys: Sequence[str], tags: Sequence[str], everything: bool, position: int | None) -> None:
        self._stones.bury([*keys, *tags], everything=everything, position=position)
        for kind in self._kinds.values():
            kind.drop(keys, tags, everything=everything)

    def _kind(self, name: str) -> Kind:
        try:
            return self._kinds[name]
        except KeyError:
            known = ", ".join(sorted(self._kinds))
            raise UsageError(
                f"there is no class of data {name!r}; there are {known}", hint="give it to Cache(classes=…)"
            ) from None
