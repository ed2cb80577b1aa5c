"""What a layer below memory is, shared by the processes of a fleet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from scaleworthy.runtime.cache.policy import Life


@dataclass(frozen=True, slots=True)
class Kept:
    """An entry as a layer keeps it."""

    body: bytes
    fresh_ns: int
    """How much longer it is fresh; 0 or less: stale."""
    load_ns: int
    tags: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Found:
    """What a layer answers: the entry, if there is one, and how many invalidations it had seen then."""

    kept: Kept | None
    clock: int
    holder: str = ""
    """Where a lease was asked for: whose it is now. Empty: nobody's, because the entry is fresh enough or the layer does not serve."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What a load had seen of the source when it began: a layer's clock, and the position of the replica it read, if any."""

    clock: int
    position: int | None


class SharedLayer(Protocol):
    """Raises whatever its server's library raises; who asks it stands that."""

    name: str
    budget_s: float

    async def get(self, key: str) -> Found:
        """Return what is kept under *key*."""

    async def put(
        self, key: str, body: bytes, life: Life, *, load_ns: int, seen: Seen, tags: Sequence[str], owner: str
    ) -> bool:
        """Keep *body*, unless something it was made from has changed since what was *seen*; return whether it is kept.

        Either way *owner*'s lease of the key is over, where it has one.
        """

    async def invalidate(
        self, *, keys: Sequence[str], tags: Sequence[str], everything: bool, position: int | None, origin: str
    ) -> None:
        """Drop entries, and refuse those whose load began before; *origin* need not be told of it."""

    async def ping(self) -> None:
        """Raise where it does not answer."""

    async def try_keeping(self) -> None:
        """Raise where it takes nothing new."""

    async def close(self) -> None:
        """Close its connections."""


class Leases(Protocol):
    """A layer that lets one process of the fleet load a key. A lease is over when its owner says so, or seconds after it last did."""

    lease_s: float

    async def get_or_lease(self, key: str, owner: str, *, newer_than_ns: int) -> Found:
        """Return what is kept under *key*; unless it is fresh for longer than *newer_than_ns*, also who may load it: *owner*, if free."""

    async def renew(self, key: str, owner: str) -> None:
        """Say that *owner* still loads *key*."""

    async def release(self, key: str, owner: str) -> None:
        """Let others load *key*."""
