"""A run in memory: a native table of slices, and what was noted beside it."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from typing import Any

from scaleworthy._native import Histogram, SliceTable
from scaleworthy.finding import Finding
from scaleworthy.series.model import Event, SeriesKey, Slice, Value
from scaleworthy.series.store import Labels, SecondsAndValues, Series, Store, Window
from scaleworthy.series.stores.catalogue import Catalogue


class MemoryStore(Store):
    """A run in memory. Slices stay encoded until a query merges them: about 250 bytes per histogram and second."""

    def __init__(self, run: dict[str, Any] | None = None) -> None:
        self.run = dict(run or {})
        # Guards what is noted, and the order of new series; the table and the catalogue have locks of their own.
        self._lock = threading.RLock()
        self._table = SliceTable()
        self._catalogue = Catalogue()
        self._facts: dict[str, dict[str, Any]] = {}
        self._events: list[Event] = []
        self._findings: dict[str, Finding] = {}

    def append(self, second: int, slices: Iterable[Slice]) -> None:
        """See `Store.append`."""
        self._append(second, slices)

    def _append(self, second: int, slices: Iterable[Slice]) -> bytes:
        """Add slices and return their block."""
        numbers: list[int] = []
        values: list[Value] = []
        with self._lock:
            for key, value in slices:
                number = self._catalogue.number(key)
                numbers.append(self._add_series(key) if number is None else number)
                values.append(value)
        return self._table.append(second=second, series=numbers, values=values)

    def _add_series(self, key: SeriesKey) -> int:
        number = self._table.add_series(key.kind)
        self._catalogue.add(key, number)
        return number

    def keys(self, name: str | None = None, labels: Labels | None = None) -> list[SeriesKey]:
        """See `Store.keys`."""
        return [self._catalogue.key(number) for number in self._catalogue.select(name, labels)]

    def span(self, name: str | None = None, *, labels: Labels | None = None) -> Window | None:
        """See `Store.span`."""
        return self._table.span(self._catalogue.select(name, labels))

    def histogram(self, name: Series, *, labels: Labels | None = None, window: Window | None = None) -> Histogram:
        """See `Store.histogram`."""
        return self._table.histogram(self._catalogue.select(name, labels), window=window)

    def total(self, name: Series, *, labels: Labels | None = None, window: Window | None = None) -> float:
        """See `Store.total`."""
        return self._table.total(self._catalogue.select(name, labels), window=window)

    def per_second(
        self, name: Series, *, labels: Labels | None = None, window: Window | None = None
    ) -> SecondsAndValues:
        """See `Store.per_second`."""
        return self._table.per_second(self._catalogue.select(name, labels), window=window)

    def quantile_per_second(
        self, name: str, q: float, *, labels: Labels | None = None, window: Window | None = None
    ) -> SecondsAndValues:
        """See `Store.quantile_per_second`."""
        return self._table.quantile_per_second(self._catalogue.select(name, labels), q=q, window=window)

    def by_label(
        self, name: str, label: str, *, labels: Labels | None = None, window: Window | None = None
    ) -> dict[str, float]:
        """See `Store.by_label`."""
        groups: dict[str, list[int]] = {}
        for number in self._catalogue.select(name, labels):
            found = dict(self._catalogue.key(number).labels).get(label)
            if found is not None:
                groups.setdefault(found, []).append(number)
        return {
            found: amount for found, numbers in groups.items() if (amount := self._amount(numbers, window)) is not None
        }

    def _amount(self, numbers: list[int], window: Window | None) -> float | None:
        if self._catalogue.key(numbers[0]).kind != "gauge":
            return self._table.total(numbers, window=window)
        _, values = self._table.per_second(numbers, window=window)
        return float(values.mean()) if values.size else None

    def put_fact(self, kind: str, key: str, value: Any) -> None:
        """See `Store.put_fact`."""
        with self._lock:
            self._facts.setdefault(kind, {})[key] = value

    def fact(self, kind: str, key: str) -> Any | None:
        """See `Store.fact`."""
        with self._lock:
            return self._facts.get(kind, {}).get(key)

    def facts(self, kind: str) -> dict[str, Any]:
        """See `Store.facts`."""
        with self._lock:
            return dict(self._facts.get(kind, {}))

    def add_event(self, at_s: float, kind: str, text: str, data: dict[str, Any] | None = None) -> None:
        """See `Store.add_event`."""
        with self._lock:
            self._events.append(Event(at_s, kind, text, dict(data or {})))

    def events(self, kind: str | None = None) -> list[Event]:
        """See `Store.events`."""
        with self._lock:
            chosen = [event for event in self._events if kind is None or event.kind == kind]
        return sorted(chosen, key=lambda event: event.at_s)

    def add_findings(self, findings: Iterable[Finding]) -> None:
        """See `Store.add_findings`."""
        with self._lock:
            self._findings.update({finding.id: finding for finding in findings})

    def findings(self) -> list[Finding]:
        """See `Store.findings`."""
        with self._lock:
            return list(self._findings.values())

    def update_run(self, **values: Any) -> None:
        """See `Store.update_run`."""
        with self._lock:
            self.run.update(values)

    def rolled_up(self, width_s: int) -> MemoryStore:
        """Return a store of the same run in rows of *width_s* seconds; `roll_up` says what that keeps."""
        with self._lock:
            rolled = MemoryStore(self.run)
            rolled._table = self._table.roll_up(width_s=width_s)
            rolled._catalogue = self._catalogue.copy()
            rolled._facts = {kind: dict(facts) for kind, facts in self._facts.items()}
            rolled._events = list(self._events)
            rolled._findings = dict(self._findings)
            return rolled

    def close(self) -> None:
        """See `Store.close`; there is no file."""
