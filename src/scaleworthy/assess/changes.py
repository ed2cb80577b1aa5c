"""Say what changed between two measurements of the same service, each ratio with its interval.

An interval of a ratio is the widest that the two intervals allow (lowest after over highest before, and the other way
round): conservative, and free of any assumption on how the two are distributed. A change is called better or worse only
where that interval does not hold 1; otherwise it is unsure.
"""

from __future__ import annotations

from dataclasses import replace

from scaleworthy.assess.measure import Measurement
from scaleworthy.report.model import Change, Measured
from scaleworthy.series import Store

MS = 1e6


def changes(store: Store, before: Measurement, after: Measurement) -> tuple[Change, ...]:
    """Return the limit, the latency at the same baseline load and the cost per request, before and after."""
    rows = [
        limit_change(before, after),
        *(
            change(
                f"response time p{name} at {before.baseline_per_s:g} requests/s",
                _quantile(store, before, q),
                _quantile(store, after, q),
                higher_is_better=False,
            )
            for name, q in (("50", 0.50), ("95", 0.95), ("99", 0.99))
        ),
        *(
            change(
                f"{what} per request",
                _per_request(store, before, role),
                _per_request(store, after, role),
                higher_is_better=False,
            )
            for what, role in (("CPU time of PostgreSQL", "postgres"), ("CPU time of the service", "http"))
        ),
    ]
    return tuple(
        replace(row, from_stage=before.name, to_stage=after.name)
        for row in rows
        if row.before.value is not None and row.after.value is not None
    )


def limit_change(before: Measurement, after: Measurement) -> Change:
    """Return how the limit within the objectives changed."""
    return change("limit within the objectives", _limit(before), _limit(after), higher_is_better=True)


def change(what: str, before: Measured, after: Measured, *, higher_is_better: bool) -> Change:
    """Return the change with the ratio after / before and the widest interval that both allow."""
    ratio, interval, better = None, None, None
    if before.value and after.value is not None:
        ratio = after.value / before.value
    if before.interval and after.interval and before.interval[0] > 0:
        interval = (after.interval[0] / before.interval[1], after.interval[1] / before.interval[0])
        if interval[0] > 1 or interval[1] < 1:
            better = (interval[0] > 1) == higher_is_better
    return Change(what, before, after, ratio, interval, better)


def _limit(measurement: Measurement) -> Measured:
    limit = measurement.limit
    value = limit.estimate if limit.estimate is not None else limit.passing
    interval = limit.interval
    if interval is None and limit.passing is not None and limit.failing is not None:
        interval = (limit.passing, limit.failing)
    return Measured(value, "requests/s", interval, len(limit.probes), "find-limit")


def _quantile(store: Store, measurement: Measurement, q: float) -> Measured:
    histogram = store.histogram("load.response_time", window=measurement.baseline_window)
    value, interval = histogram.quantile(q), histogram.quantile_interval(q)
    return Measured(
        None if value is None else value / MS,
        "ms",
        None if interval is None else (interval[0] / MS, interval[1] / MS),
        histogram.count,
        "baseline run, order-statistic interval",
    )


def _per_request(store: Store, measurement: Measurement, role: str) -> Measured:
    """CPU per answered request over the probes that did not fail; the interval is the range between probes."""
    spent: list[tuple[float, int]] = []
    for probe in measurement.limit.probes:
        used = store.total("process.cpu_seconds", labels={"role": role}, window=(probe.start_s, probe.end_s))
        if probe.passed is not False and probe.answered and used:
            spent.append((used, probe.answered))
    if not spent:
        return Measured(None, "ms")
    shares = [used / answered * 1e3 for used, answered in spent]
    answered = sum(count for _, count in spent)
    return Measured(
        sum(used for used, _ in spent) / answered * 1e3,
        "ms",
        (min(shares), max(shares)) if len(shares) > 1 else None,
        answered,
        "range over the probes that did not fail",
    )
