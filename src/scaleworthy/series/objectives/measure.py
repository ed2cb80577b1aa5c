"""The value an objective's left side has in one window, with how many samples stand behind it and how sure it is."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

from scaleworthy.series.model import SeriesKey
from scaleworthy.series.names import KNOWN, ZERO_WHEN_ABSENT
from scaleworthy.series.objectives.expression import Expression, Selector
from scaleworthy.series.objectives.source import nearest
from scaleworthy.series.store import Store, Window

CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class Measurement:
    """A value, or why there is none.

    Attributes:
        count: Records, requests (of a ratio: those divided by) or, for a gauge, seconds.
        interval: Where the true value lies with 95 %: order statistics for a quantile, Wilson for a share; else None.
    """

    value: float | None
    count: int = 0
    interval: tuple[float, float] | None = None
    why: str = ""


def measure(expression: Expression, store: Store, window: Window | None) -> Measurement:
    """Return the value of *expression*'s left side in *window*; None for the whole of what was measured."""
    why = missing(expression, store)
    return Measurement(None, why=why) if why else value_in(expression, store, window, group_span(expression, store))


def value_in(expression: Expression, store: Store, window: Window | None, span: Window | None) -> Measurement:
    """As `measure`, where `missing` was asked already and *span* is the group's."""
    if expression.function == "ratio":
        return _ratio(expression, store, window)
    selector = expression.series[0]
    kind = KNOWN[selector.name].kind
    if kind == "histogram":
        return _of_histogram(expression, selector, store, window)
    if kind == "gauge":
        return _of_gauge(expression.function, selector, store, window)
    return _of_counter(expression.function, selector, store, window, span)


def group_span(expression: Expression, store: Store) -> Window | None:
    """Return the span of everything measured together with a series: of all `load.` series for `load.failed`.

    A counter that never counted has no seconds of its own; that nothing happened is still known of the whole run.
    """
    names = {key.name for key in _group(expression.series[-1], store)}
    spans = [span for name in names if (span := store.span(name)) is not None]
    return (min(start for start, _ in spans), max(end for _, end in spans)) if spans else None


def missing(expression: Expression, store: Store) -> str:
    """Say why nothing can be known of the series at all; nothing where something can."""
    for selector in expression.series:
        keys = _group(selector, store)
        if not keys:
            return f"nothing was measured of {selector.name.partition('.')[0]}.*"
        for label, value in selector.labels:
            values = sorted({dict(key.labels)[label] for key in keys if label in dict(key.labels)})
            if label not in ZERO_WHEN_ABSENT and value not in values:
                return f"nothing was measured with {label}={value!r}{nearest(value, values)}"
    return ""


def _group(selector: Selector, store: Store) -> list[SeriesKey]:
    group = selector.name.partition(".")[0] + "."
    every = store.keys()
    return [key for key in every if key.name.startswith(group)]


def _of_histogram(expression: Expression, selector: Selector, store: Store, window: Window | None) -> Measurement:
    records = store.histogram(selector.name, labels=dict(selector.labels), window=window)
    if expression.function == "count":
        return Measurement(float(records.count), records.count)
    if records.count == 0:
        return Measurement(None, why=f"no records of {selector}")
    q = expression.q
    if q is not None:
        return Measurement(records.quantile(q), records.count, records.quantile_interval(q, CONFIDENCE))
    value = {"mean": records.mean_ns, "max": records.max_ns, "min": records.min_ns}[expression.function]
    return Measurement(None if value is None else float(value), records.count)


def _of_gauge(function: str, selector: Selector, store: Store, window: Window | None) -> Measurement:
    _, values = store.per_second(selector.name, labels=dict(selector.labels), window=window)
    if not values.size:
        return Measurement(None, why=f"no values of {selector}")
    of = {"mean": values.mean(), "max": values.max(), "min": values.min()}
    return Measurement(float(of[function]), int(values.size))


def _of_counter(
    function: str, selector: Selector, store: Store, window: Window | None, span: Window | None
) -> Measurement:
    if span is None or (window is not None and (window[1] <= span[0] or window[0] >= span[1])):
        return Measurement(None, why=f"nothing was measured of {selector} in that time")
    total = store.total(selector.name, labels=dict(selector.labels), window=window)
    if function == "total":
        return Measurement(total, round(total))
    start, end = window or span
    return Measurement(total / (end - start), round(total))


def _ratio(expression: Expression, store: Store, window: Window | None) -> Measurement:
    part, whole = (
        store.total(selector.name, labels=dict(selector.labels), window=window) for selector in expression.series
    )
    if whole == 0:
        return Measurement(None, why=f"{expression.series[1]} is 0")
    interval = wilson(part, whole) if 0 <= part <= whole and part.is_integer() and whole.is_integer() else None
    return Measurement(part / whole, round(whole), interval)


def wilson(part: float, whole: float) -> tuple[float, float]:
    """Return the 95 % interval of a share of which *part* of *whole* were seen; sound for few and for none as well.

    Source: E. B. Wilson, J. Am. Stat. Assoc. 22 (1927), 209-212.
    """
    z = NormalDist().inv_cdf((1 + CONFIDENCE) / 2)
    share = part / whole
    middle = (share + z * z / (2 * whole)) / (1 + z * z / whole)
    reach = z / (1 + z * z / whole) * math.sqrt(share * (1 - share) / whole + z * z / (4 * whole * whole))
    # At none and at all the bound is the share itself; rounding must not carry it past.
    low = 0.0 if part == 0 else max(0.0, middle - reach)
    high = 1.0 if part == whole else min(1.0, middle + reach)
    return low, high
