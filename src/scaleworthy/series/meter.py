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


class Count(Counter):
    """What is counted elsewhere, asked for when it is wanted."""

    __slots__ = ("_read",)

    def __init__(self, read: Callable[[], float]) -> None:
        super().__init__()
        self._read = read

    def look(self) -> None:
        """Ask."""
        self.total = float(self._read())


class Distribution:
    """Records durations in ns. Bound to its series once; `record` is the native one, and may be called from any thread."""

    __slots__ = ("_before", "_lock", "_now", "record")

    def __init__(self) -> None:
        self._before = Histogram()
        self._now = Histogram()
        self._lock = threading.Lock()
        self.record: Callable[[int], None] = self._now.record

    def _take(self) -> Histogram:
        with self._lock:
            taken = self._now.take()
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
_I = TypeVar("_I", bound=Counter | Distribution)
_K = TypeVar("_K", Counter, Count, Distribution, Gauge)


class Labelled(dict[tuple[str, ...], _I]):
    """The instruments of one name, by the values of its labels: `requests["GET", "200"].add()` is a look-up and an addition."""

    def __init__(self, names: tuple[str, ...], make: Callable[[dict[str, str]], tuple[_I, bool]]) -> None:
        super().__init__()
        self._names = names
        self._make = make

    def __missing__(self, values: tuple[str, ...]) -> _I:
        made, is_its_own = self._make(dict(zip(self._names, values, strict=True)))
        # What shares the series of all that are too many is not remembered: there may be any number of it.
        if is_its_own:
            self[values] = made
        return made


class Meter:
    """The instruments of one process. Asking for one again, with the same labels, returns the same."""

    def __init__(self) -> None:
        self._instruments: dict[SeriesKey, _Instrument] = {}
        self._kinds: dict[str, Kind] = {}
        self._lock = threading.Lock()

    def counter(self, name: str, unit: str, /, **labels: str) -> Counter:
        """Return the counter of *name* and *labels*, in *unit* (a plural noun, such as `requests`)."""
        return self._get(name, "counter", unit, labels, Counter)[0]

    def counters(self, name: str, unit: str, *labels: str) -> Labelled[Counter]:
        """Return the counters of *name* by the values of *labels*, to be bound as they come up."""
        return Labelled(labels, lambda values: self._get(name, "counter", unit, values, Counter))

    def counter_of(self, name: str, unit: str, read: Callable[[], float], /, **labels: str) -> None:
        """Ask *read*, which counts up by itself, for the counter of *name* and *labels* each time it is wanted."""
        self._get(name, "counter", unit, labels, lambda: Count(read))

    def histogram(self, name: str, /, **labels: str) -> Distribution:
        """Return the distribution of *name* and *labels*, in ns."""
        return self._get(name, "histogram", "ns", labels, Distribution)[0]

    def histograms(self, name: str, *labels: str) -> Labelled[Distribution]:
        """Return the distributions of *name* by the values of *labels*, in ns, to be bound as they come up."""
        return Labelled(labels, lambda values: self._get(name, "histogram", "ns", values, Distribution))

    def gauge(self, name: str, unit: str, read: Callable[[], float], /, **labels: str) -> None:
        """Ask *read* for the value of *name* and *labels* each time it is wanted."""
        self._get(name, "gauge", unit, labels, lambda: Gauge(read))

    def slices(self) -> list[Slice]:
        """Return what was recorded since this was last called: increments, distributions, values now."""
        said: list[Slice] = []
        for key, instrument in self._looked_at():
            said.append((key, instrument.read() if isinstance(instrument, Gauge) else instrument._take()))  # noqa: SLF001 - its own
        return said

    def totals(self) -> list[Slice]:
        """Return all that was ever recorded, in the order of names."""
        totals: list[Slice] = []
        for key, instrument in sorted(self._looked_at(), key=lambda item: (item[0].name, item[0].labels)):
            if isinstance(instrument, Gauge):
                totals.append((key, instrument.read()))
            elif isinstance(instrument, Counter):
                totals.append((key, instrument.total))
            else:
                totals.append((key, instrument._all()))  # noqa: SLF001 - its own
        return totals

    def exposition(self) -> str:
        """Return all that was ever recorded as Prometheus text."""
        return prometheus.exposition(self.totals())

    def _looked_at(self) -> list[tuple[SeriesKey, _Instrument]]:
        # A copy: instruments come up in other threads meanwhile.
        instruments = list(self._instruments.items())
        for _, instrument in instruments:
            if isinstance(instrument, Count):
                instrument.look()
        return instruments

    def _get(self, name: str, kind: Kind, unit: str, labels: dict[str, str], make: Callable[[], _K]) -> tuple[_K, bool]:
        """Return the instrument, and whether it is its own: not that of all that are too many."""
        key = SeriesKey.of(name, kind, unit, labels)
        found = self._instruments.get(key)
        if found is None:
            with self._lock:
                if self._kinds.setdefault(name, kind) != kind:
                    raise UsageError(f"{name} is a {self._kinds[name]} already, and no {kind}")
                if len(self._instruments) >= _SERIES_MOST:
                    key = SeriesKey(name, _OTHER, unit, kind)
                found = self._instruments.setdefault(key, make())
        made: _K = found  # type: ignore[assignment]
        return made, key.labels != _OTHER
