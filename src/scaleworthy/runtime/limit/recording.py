"""The counts of a limit as series."""

from __future__ import annotations

from collections.abc import Callable

from scaleworthy.runtime.limit.verdict import LimitStatistics
from scaleworthy.series.meter import Meter


def record(meter: Meter, name: str, read: Callable[[], LimitStatistics]) -> None:
    """Let *meter* read the counts of the limit called *name* when it is asked for them; a check costs nothing more."""
    meter.counter_of("runtime.limit.allowed", "events", lambda: read().allowed, by=name)
    meter.counter_of("runtime.limit.refused", "events", lambda: read().refused, by=name)
    meter.counter_of("runtime.limit.alone", "events", lambda: read().alone, by=name)
