"""What became of what was asked of a cache, by class of data."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from scaleworthy.series.meter import Meter


@dataclass(frozen=True, slots=True)
class ClassStatistics:
    """Counts since the cache was made.

    Attributes:
        asked: By `get` and `get_or_set`, decorated functions included.
        hits: Answered with a fresh value, by layer.
        stale: Answered with a stale one.
        joined: Waited for a load that was under way in this process.
        loads, load_failures: Of the loader.
        refreshes: Loads and failures among them that nobody waited for.
        not_found: Asked by `get`, and in no layer.
        refused: Values not kept in memory because what they were made from had changed.
        unstorable: Values kept in memory alone because the codec cannot put them into bytes, or into too many.
        unreadable: Entries of a lower layer whose bytes are no value.
        unkept: Values not kept in lower layers because a thousand others were on their way there.
        evicted, invalidated, entries: Of memory: pushed out, dropped, there now.
    """

    asked: int
    hits: dict[str, int]
    stale: int
    joined: int
    loads: int
    load_failures: int
    refreshes: int
    not_found: int
    refused: int
    unstorable: int
    unreadable: int
    unkept: int
    evicted: int
    invalidated: int
    entries: int

    @property
    def hit_rate(self) -> float | None:
        """Share of what was asked that a layer answered, stale values included; None before the first question."""
        return (sum(self.hits.values()) + self.stale) / self.asked if self.asked else None


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
        fresh, stale, missed, evicted, invalidated = memory
        return ClassStatistics(
            asked=fresh + stale + missed,
            hits={"memory": fresh, "valkey": counts["valkey"], "table": counts["table"]},
            stale=stale + counts["stale"],
            joined=counts["joined"],
            loads=counts["load"],
            load_failures=counts["load_failed"],
            refreshes=counts["refresh"],
            not_found=counts["not_found"],
            refused=counts["refused"],
            unstorable=counts["unstorable"],
            unreadable=counts["unreadable"],
            unkept=counts["unkept"],
            evicted=evicted,
            invalidated=invalidated,
            entries=entries,
        )


def record(meter: Meter, kind: str, read: Callable[[], ClassStatistics]) -> None:
    """Let *meter* read the counts of a class when it is asked for them; a hit costs nothing more."""

    def count(name: str, unit: str, of: Callable[[ClassStatistics], float], **labels: str) -> None:
        meter.counter_of(f"runtime.cache.{name}", unit, lambda: of(read()), **{"class": kind}, **labels)

    count("asked", "questions", lambda said: said.asked)
    for layer in ("memory", "valkey", "table"):
        count("hits", "questions", lambda said, layer=layer: said.hits[layer], layer=layer)  # type: ignore[misc]
    count("stale", "questions", lambda said: said.stale)
    count("joined", "questions", lambda said: said.joined)
    count("loads", "loads", lambda said: said.loads, outcome="loaded")
    count("loads", "loads", lambda said: said.load_failures, outcome="failed")
    count("refreshes", "loads", lambda said: said.refreshes)
    count("refused", "values", lambda said: said.refused)
    count("evicted", "entries", lambda said: said.evicted)
    count("invalidated", "entries", lambda said: said.invalidated)
    meter.gauge("runtime.cache.entries", "entries", lambda: read().entries, **{"class": kind})
