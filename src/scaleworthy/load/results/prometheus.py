"""Prometheus: text exposition of a run (series/prometheus.py says in which form)."""

from __future__ import annotations

from scaleworthy.load.results.table import series_of
from scaleworthy.load.summary import run_window
from scaleworthy.series import Histogram, Store, prometheus
from scaleworthy.series.model import SeriesKey


def exposition(store: Store) -> str:
    """Return the last load run in *store* as text exposition: counters and histograms over the whole run, gauges at its end."""
    window = run_window(store)
    return prometheus.exposition((key, _value(store, key, window)) for key in series_of(store))


def _value(store: Store, key: SeriesKey, window: tuple[int, int]) -> Histogram | float:
    if key.kind == "histogram":
        return store.histogram(key, window=window)
    if key.kind == "counter":
        return store.total(key, window=window)
    _, values = store.per_second(key, window=window)
    return float(values[-1]) if len(values) else 0.0
