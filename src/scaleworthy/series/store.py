"""The store of a run: its series, and beside them its facts, events and findings.

One interface, whether the run lives in memory alone or in a recording as well. Every method may be called from any thread.

Seconds are Unix time. A name asks every series of that name, and `labels` is a subset that a series must have to be asked:
{"step": "login"} asks the tagged and the untagged ones of that step, merged. A SeriesKey asks that one series alone; no labels go
with it. `window` is (first second, second after the last), None for everything. What was never measured is empty: an empty
histogram, a total of 0, None for a mean.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from scaleworthy._native import Histogram
from scaleworthy.finding import Finding
from scaleworthy.series.model import Event, SeriesKey, Slice

Labels = Mapping[str, str]
Window = tuple[int, int]
Series = str | SeriesKey
SecondsAndValues = tuple[NDArray[np.int64], NDArray[np.float64]]


class Store(ABC):
    """What was measured in one run, and what was noted beside it."""

    run: dict[str, Any]
    """The run: plan, seed, host, versions. JSON values; change it by `update_run`."""

    @abstractmethod
    def append(self, second: int, slices: Iterable[Slice]) -> None:
        """Add slices to *second*. Several calls may name the same second, in any order of seconds.

        For the same series and second histograms merge, counters add, and the last gauge stands.

        Raises:
            ValueError: A value of another kind than its series', or a number that is not finite; nothing is added.
            TypeError: A value that is neither a histogram nor a number; nothing is added.
        """

    @abstractmethod
    def keys(self, name: str | None = None, labels: Labels | None = None) -> list[SeriesKey]:
        """Return the series there are, in the order they first came."""

    @abstractmethod
    def span(self, name: str | None = None, *, labels: Labels | None = None) -> Window | None:
        """Return (first second, second after the last) of the series named, of all for None; None without any slice."""

    @abstractmethod
    def histogram(self, name: Series, *, labels: Labels | None = None, window: Window | None = None) -> Histogram:
        """Return the histograms of all matching series and seconds, merged."""

    @abstractmethod
    def total(self, name: Series, *, labels: Labels | None = None, window: Window | None = None) -> float:
        """Return the sum of a counter; of a histogram, the number of records."""

    @abstractmethod
    def per_second(
        self, name: Series, *, labels: Labels | None = None, window: Window | None = None
    ) -> SecondsAndValues:
        """Return the seconds that have a slice, in order, and the sum over matching series in each.

        Of a histogram, the number of records. Seconds without a slice are left out, not zero.
        """

    @abstractmethod
    def quantile_per_second(
        self, name: str, q: float, *, labels: Labels | None = None, window: Window | None = None
    ) -> SecondsAndValues:
        """Return the seconds that have records, in order, and the quantile of each, in nanoseconds."""

    @abstractmethod
    def by_label(
        self, name: str, label: str, *, labels: Labels | None = None, window: Window | None = None
    ) -> dict[str, float]:
        """Return, per value of *label*, a counter's total, a gauge's mean, or a histogram's number of records."""

    def mean(self, name: Series, *, labels: Labels | None = None, window: Window | None = None) -> float | None:
        """Return the mean, over the seconds that have one, of a gauge summed over matching series."""
        _, values = self.per_second(name, labels=labels, window=window)
        return float(values.mean()) if values.size else None

    def maximum(self, name: Series, *, labels: Labels | None = None, window: Window | None = None) -> float | None:
        """Return the largest value, over seconds, of a gauge summed over matching series."""
        _, values = self.per_second(name, labels=labels, window=window)
        return float(values.max()) if values.size else None

    @abstractmethod
    def put_fact(self, kind: str, key: str, value: Any) -> None:
        """Note something that is not a series, such as the text of a statement; a JSON value. The last one stands."""

    @abstractmethod
    def fact(self, kind: str, key: str) -> Any | None:
        """Return one fact, or None."""

    @abstractmethod
    def facts(self, kind: str) -> dict[str, Any]:
        """Return every fact of a kind, by key."""

    @abstractmethod
    def add_event(self, at_s: float, kind: str, text: str, data: dict[str, Any] | None = None) -> None:
        """Note that something happened at *at_s* (Unix seconds)."""

    @abstractmethod
    def events(self, kind: str | None = None) -> list[Event]:
        """Return the events, by time."""

    @abstractmethod
    def add_findings(self, findings: Iterable[Finding]) -> None:
        """Add findings; one with an id that is there already replaces it."""

    @abstractmethod
    def findings(self) -> list[Finding]:
        """Return the findings, in the order their ids first came."""

    @abstractmethod
    def update_run(self, **values: Any) -> None:
        """Set entries of `run`."""

    @abstractmethod
    def close(self) -> None:
        """Finish writing, where there is a file; a second call does nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
