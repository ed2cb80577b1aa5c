"""Make a long run smaller: rows of ten seconds or a minute in place of one per second.

What stays the same, for windows whose borders are multiples of the width: histograms (so every quantile), totals of counters,
spans to within a row, and a gauge's mean where each row had all its seconds. What is lost: which second of a row something was in,
and a gauge's extremes within a row.
"""

from __future__ import annotations

from scaleworthy.errors import UsageError
from scaleworthy.series.stores.memory import MemoryStore

WIDTHS_S = (10, 60)


def roll_up(store: MemoryStore, width_s: int) -> MemoryStore:
    """Return a store of the same run in rows of *width_s* seconds, each named by its first, a multiple of *width_s*.

    Histograms are merged, counters added, gauges averaged; facts, events and findings are kept.

    Raises:
        UsageError: *width_s* is under one second.
    """
    if width_s < 1:
        raise UsageError(f"a roll-up needs a width of at least 1 second, got {width_s}")
    return store.rolled_up(width_s)
