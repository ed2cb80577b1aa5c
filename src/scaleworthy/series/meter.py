"""What an application records with: counters, gauges and histograms, given out as slices of a second or as Prometheus text.

meter = Meter()
answered = meter.counter("http.requests", "requests", route="/api/leads")
answered.add()
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

from scaleworthy._native import Histogram
from scaleworthy.errors import UsageError
from scaleworthy.series import prometheus
from scaleworthy.series.model import Kind, SeriesKey, Slice

# A label that holds what clients send would make a series of each; beyond these they are counted as one.
_SERIES_MOST = 10_000
_OTHER = (("other", "true"),)


class Counter:
    """Counts up. Bound to its series once, so that counting is an addition."""

    __slots__ = ("_given", "total")

    def __init__(self) -> None:
        self.total = 0.0
        self._given = 0.0

    def add(self, amount: float = 1.0) -> None:
        """Count *amount* more."""
        self.total += amount

    def _take(self) -> float:
        more, self._given = self.total - self._given, self.total
        return more


class Distribution:
    """Records durations in ns. Bound to its series once."""

    __slots__ = ("_before", "_lock", "_now", "record")

    def __init__(self) -> None:
        self._before = Histogram()
        self._now = Histogram()
        self._lock = threading.Lock()
        self.record: Callable[..., None] = self._record

    def _record(self, value_ns: int) -> None:
        with self._lock:
            self._now.record(value_ns)

    def _take(self) -> Histogram:
        with self._lock:
            taken = self._now.copy()
            self._now.clear()
            self._before.merge(taken)
        return taken

    def _all(self) -> Histogram:
        with self._lock:
            whole = self._before.copy()
            whole.merge(self._now)
        return whole


class Gauge:
    """Says a value when asked."""

    __slots__ = ("read",)

    def __init__(self, read: Callable[[], float]) -> None:
        self.read = read


_Instrument = Counter | Distribution | Gauge
_I = TypeVar("_I", Counter, Distribution, Gauge)


class Meter:
    """The instruments of one process. Asking for one again, with the same labels, returns the same."""

    def __init__(self) -> None:
        self._instruments: dict[SeriesKey, _Instrument] = {}
        self._lock = threading.Lock()

    def counter(self, name: str, unit: str, **labels: str) -> Counter:
        """Return the counter of *name* and *labels*, in *unit* (a plural noun, such as `requests`)."""
        return self._get(name, "counter", unit, labels, Counter)

    def histogram(self, name: str, **labels: str) -> Distribution:
        """Return the distribution of *name* and *labels*, in ns."""
        return self._get(name, "histogram", "ns", labels, Distribution)

    def gauge(self, name: str, unit: str, read: Callable[[], float], **labels: str) -> None:
        """Ask *read* for the value of *name* and *labels* each time it is wanted."""
        self._get(name, "gauge", unit, labels, lambda: Gauge(read))

    def slices(self) -> list[Slice]:
        """Return what was recorded since this was last called: increments, distributions, values now."""
        said: list[Slice] = []
        for key, instrument in list(self._instruments.items()):
            said.append((key, instrument.read() if isinstance(instrument, Gauge) else instrument._take()))  # noqa: SLF001 - its own
        return said

    def exposition(self) -> str:
        """Return all that was ever recorded as Prometheus text."""
        totals: list[Slice] = []
        for key, instrument in sorted(self._instruments.items(), key=lambda item: (item[0].name, item[0].labels)):
            if isinstance(instrument, Gauge):
                totals.append((key, instrument.read()))
            elif isinstance(instrument, Counter):
                totals.append((key, instrument.total))
            else:
                totals.append((key, instrument._all()))  # noqa: SLF001 - its own
        return prometheus.exposition(totals)

    def _get(self, name: str, kind: Kind, unit: str, labels: dict[str, str], make: Callable[[], _I]) -> _I:
        key = SeriesKey.of(name, kind, unit, labels)
        found = self._instruments.get(key)
        if found is None:
            with self._lock:
                if len(self._instruments) >= _SERIES_MOST:
                    key = SeriesKey(name, _OTHER, unit, kind)
                found = self._instruments.setdefault(key, make())
        made: _I = found  # type: ignore[assignment]
        if kind != {Counter: "counter", Distribution: "histogram", Gauge: "gauge"}[type(found)]:
            raise UsageError(f"{name} is recorded as another kind already")
        return made
