"""The timeline of a load run: response time, traffic, work in flight, errors, and CPU where it was observed.

Units: seconds from the run's start; nanoseconds, requests, cores. Nothing is thinned here: the charts do that.
"""

from __future__ import annotations

from scaleworthy.report.model import Line, Panel
from scaleworthy.series import Store

Window = tuple[int, int]


def load_panels(store: Store, window: Window) -> tuple[Panel, ...]:
    """Return the panels that have something to show."""
    panels = (
        Panel("Response time", _quantiles(store, window)),
        Panel(
            "Requests per second",
            _lines(store, window, "requests/s", {"answered": "load.answered", "failed": "load.failed"}),
        ),
        Panel(
            "Requests in flight, waiting for a connection",
            _lines(store, window, "requests", {"in flight": "load.in_flight", "waiting": "load.waiting"}),
        ),
        Panel("Errors per second, by kind", _by_label(store, window, "load.errors", "kind", "requests/s")),
        Panel("CPU, cores in use", _by_label(store, window, "process.cpu_seconds", "role", "cores")),
    )
    return tuple(panel for panel in panels if panel.lines)


def _quantiles(store: Store, window: Window) -> tuple[Line, ...]:
    lines = []
    for name, q in (("p50", 0.50), ("p95", 0.95), ("p99", 0.99)):
        seconds, values = store.quantile_per_second("load.response_time", q, window=window)
        if seconds.size:
            lines.append(Line(name, "ns", tuple((seconds - window[0]).tolist()), tuple(values.tolist())))
    return tuple(lines)


def _lines(store: Store, window: Window, unit: str, series: dict[str, str]) -> tuple[Line, ...]:
    lines = (_line(store, window, name, key, unit, {}) for name, key in series.items())
    return tuple(line for line in lines if line.at_s)


def _by_label(store: Store, window: Window, series: str, label: str, unit: str) -> tuple[Line, ...]:
    found = store.by_label(series, label, window=window)
    lines = (
        _line(store, window, value, series, unit, {label: value}) for value, total in sorted(found.items()) if total
    )
    return tuple(line for line in lines if line.at_s)


def _line(store: Store, window: Window, name: str, series: str, unit: str, labels: dict[str, str]) -> Line:
    seconds, values = store.per_second(series, labels=labels, window=window)
    return Line(name, unit, tuple((seconds - window[0]).tolist()), tuple(values.tolist()))
