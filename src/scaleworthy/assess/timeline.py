"""Turn a recording into the charts of its timeline: latency, traffic, CPU by role, connections.

Units: seconds from the recording's start on the one axis; milliseconds, requests per second, cores, connections on the
other. The charts thin a long run themselves.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from scaleworthy.report.model import Line, Panel
from scaleworthy.series import Store

Seconds = NDArray[np.int64]
Values = NDArray[np.float64]


def panels(store: Store) -> tuple[Panel, ...]:
    """Return the timeline's charts; a chart without data is left out."""
    span = store.span()
    if span is None:
        return ()
    start = span[0]
    candidates = (
        Panel("Response time, ms", tuple(_quantiles(store, start))),
        Panel("Requests per second", tuple(_traffic(store, start))),
        Panel("CPU, cores in use", tuple(_cpu(store, start))),
        Panel("PostgreSQL connections", tuple(_connections(store, start))),
    )
    return tuple(panel for panel in candidates if panel.lines)


def _quantiles(store: Store, start: int) -> list[Line]:
    lines = []
    for name, q in (("p50", 0.50), ("p95", 0.95), ("p99", 0.99)):
        seconds, values = store.quantile_per_second("load.response_time", q)
        lines += _line(name, "ms", start, seconds, values / 1e6)
    return lines


def _traffic(store: Store, start: int) -> list[Line]:
    lines = []
    for name, series in (("answered", "load.answered"), ("failed", "load.failed"), ("asked for", "load.target")):
        seconds, values = store.per_second(series)
        if name != "failed" or values.any():
            lines += _line(name, "requests/s", start, seconds, values)
    return lines


def _cpu(store: Store, start: int) -> list[Line]:
    roles = sorted({dict(key.labels).get("role", "") for key in store.keys("process.cpu_seconds")} - {"", "generator"})
    lines = []
    for role in roles:
        seconds, values = store.per_second("process.cpu_seconds", labels={"role": role})
        lines += _line(role, "cores", start, seconds, values)
    seconds, values = store.per_second("generator.cpu_seconds")
    return lines + _line("load generator", "cores", start, seconds, values)


def _connections(store: Store, start: int) -> list[Line]:
    lines = []
    for state in ("active", "idle in transaction", "waiting", "idle"):
        seconds, values = store.per_second("postgres.connections", labels={"state": state})
        if values.any():
            lines += _line(state, "connections", start, seconds, values)
    return lines


def _line(name: str, unit: str, start: int, seconds: Seconds, values: Values) -> list[Line]:
    if seconds.size == 0:
        return []
    return [Line(name, unit, tuple((seconds - start).astype(float)), tuple(values))]
