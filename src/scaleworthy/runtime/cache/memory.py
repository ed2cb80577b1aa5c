"""Which loads memory refuses: those that began before an invalidation of what they load."""

from __future__ import annotations

from collections.abc import Sequence

from scaleworthy._native import Tombstones
from scaleworthy.runtime.cache.layer import Seen


class MemoryStones:
    """Invalidations this process has heard of, by its own count and, where known, by position in the write-ahead log."""

    def __init__(self) -> None:
        self._by_clock = Tombstones()
        self._by_position = Tombstones()

    @property
    def clock(self) -> int:
        """How many invalidations were heard of."""
        return self._by_clock.horizon

    def bury(self, names: Sequence[str], *, everything: bool, position: int | None) -> None:
        """Remember an invalidation of these keys and tags."""
        clock = self.clock + 1
        stones = [(self._by_clock, clock)] + ([] if position is None else [(self._by_position, position)])
        for stone, version in stones:
            if everything:
                stone.bury_all(version)
            for name in names:
                stone.bury(name, version)
        self._by_clock.reach(clock)

    def admits(self, names: Sequence[str], seen: Seen) -> bool:
        """Return whether what was loaded having *seen* that may be kept."""
        return self._by_clock.admits(names, seen.clock) and (
            seen.position is None or self._by_position.admits(names, seen.position)
        )
