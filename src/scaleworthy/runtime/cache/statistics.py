"""What became of what was asked of a cache, by class of data."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ClassStatistics:
    """Counts since the cache was made.

    `joined` waited for a load that was under way in this process. `refused` values were not kept because what they were made from had
    changed, `unstorable` ones in memory alone because the codec cannot put them into bytes.
    """

    hits: dict[str, int]
    stale: int
    loads: int
    load_failures: int
    joined: int
    refused: int
    unstorable: int
    evicted: int
    invalidated: int
    entries: int

    @property
    def hit_rate(self) -> float | None:
        """Share of what was asked that some layer answered; None before the first question."""
        hits = sum(self.hits.values()) + self.stale
        asked = hits + self.loads + self.load_failures + self.joined
        return hits / asked if asked else None


class Tally:
    """The counts of one class that the memory table does not keep itself."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()

    def add(self, what: str) -> None:
        """Count one."""
        self._counts[what] += 1

    def statistics(self, *, memory: tuple[int, int, int, int, int], entries: int) -> ClassStatistics:
        """Return the counts, with the memory table's own: hits, stale, misses, evicted, invalidated."""
        counts = self._counts
        return ClassStatistics(
            hits={"memory": memory[0], "valkey": counts["valkey"], "table": counts["table"]},
            stale=memory[1] + counts["stale"],
            loads=counts["load"],
            load_failures=counts["load_failed"],
            joined=counts["joined"],
            refused=counts["refused"],
            unstorable=counts["unstorable"],
            evicted=memory[3],
            invalidated=memory[4],
            entries=entries,
        )
