"""What the layers below memory say of a key, asked one after another until one has it fresh."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from scaleworthy.runtime.cache.codec import Codec
from scaleworthy.runtime.cache.kinds import Kind
from scaleworthy.runtime.cache.layer import Kept
from scaleworthy.runtime.cache.lower import Lower

# What the lower layers keep for "there is nothing"; no codec's bytes are empty.
NEGATIVE = b""


@dataclass(frozen=True, slots=True)
class Read:
    """An entry, and its value."""

    kept: Kept
    value: Any


@dataclass(slots=True)
class Looked:
    """What was found. `fresh` counts if it is fresh for longer than was asked; `without` are the layers above the one that had it."""

    memory_clock: int
    clocks: dict[str, int] = field(default_factory=dict)
    fresh: Read | None = None
    stale: Read | None = None
    without: list[Lower] = field(default_factory=list)
    holder: str = ""
    """Whose the lease is."""


async def look(
    kind: Kind,
    key: str,
    layers: Sequence[Lower],
    codec: Codec | None,
    *,
    clock: int,
    owner: str,
    newer_than_ns: int,
    refresh: bool,
) -> Looked:
    """Ask the layers in which this class is kept; the one that gives leases also for one in the name of *owner*, if there is an owner."""
    looked = Looked(clock)
    for lower in layers:
        if kind.policy.fresh_ns(lower.name) is None:
            continue
        if owner:
            found = await lower.get_or_lease(key, owner, newer_than_ns=newer_than_ns)
        else:
            found = await lower.get(key)
        looked.clocks[lower.name] = found.clock
        looked.holder = looked.holder or found.holder
        read = None if found.kept is None else _read(kind, found.kept, codec)
        if read is not None and read.kept.fresh_ns > newer_than_ns:
            looked.fresh = read
            if not refresh:
                kind.tally.add(lower.name)
            return looked
        looked.stale = looked.stale or read
        looked.without.append(lower)
    return looked


def _read(kind: Kind, kept: Kept, codec: Codec | None) -> Read | None:
    """Return the entry with its value; None where its bytes are no value, as those of another version of the application may be."""
    if kept.body == NEGATIVE:
        return Read(kept, None)
    try:
        return None if codec is None else Read(kept, codec.decode(kept.body))
    except (TypeError, ValueError):
        kind.tally.add("unreadable")
        return None
