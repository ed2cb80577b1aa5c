"""How the numbers of a report read: value, unit, interval and sample count, the same on every front.

Three significant digits; an unknown value is an en dash, never a zero. Counts are exact.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from scaleworthy.load.result import Unit
from scaleworthy.report.model import Measured
from scaleworthy.units import NS_PER, format_bytes, format_ns, format_quantity, format_ratio, three_digits

UNKNOWN = "–"
MONEY = "USD"


def quantity(value: float | None, unit: str) -> str:
    """Return *value* with its unit, such as `41.2 requests/s`, `212 ms`, `63.0 %` or `$1,230/month`; `–` when unknown."""
    if value is None or math.isnan(value):
        return UNKNOWN
    if unit.startswith(MONEY):
        return f"{'-' if value < 0 else ''}${three_digits(abs(value))}{unit.removeprefix(MONEY)}"
    if unit == "s":
        return clock(value) if value >= 120 else format_ns(value * 1e9)
    return format_quantity(value, unit)


def span(interval: tuple[float, float] | None, unit: str) -> str:
    """Return an interval such as `39.8 to 42.6 requests/s`, with the unit once where both ends share it; `` when unknown."""
    if interval is None:
        return ""
    low, high = (quantity(end, unit) for end in interval)
    number, _, suffix = low.partition(" ")
    if suffix and high.endswith(f" {suffix}"):
        low = number
    return f"{low} to {high}"


def within(interval: tuple[float, float] | None, unit: str, value: float | None) -> str:
    """Return the interval as it stands under its value: without the unit where the value above already says it."""
    text = span(interval, unit)
    number, _, suffix = quantity(value, unit).partition(" ")
    if not text or interval is None:
        return ""
    if unit.startswith(MONEY):
        return " to ".join(f"${three_digits(end)}" for end in interval)
    one_unit = suffix and number != UNKNOWN and text.endswith(f" {suffix}") and text.count(f" {suffix}") == 1
    return text.removesuffix(f" {suffix}") if one_unit and text.count(" ") == 3 else text


def measured(value: Measured) -> str:
    """Return a measured value in one line: `41.2 requests/s (39.8 to 42.6 requests/s, n = 12,345)`."""
    beside = basis(value)
    return f"{quantity(value.value, value.unit)} ({beside})" if beside else quantity(value.value, value.unit)


def basis(value: Measured) -> str:
    """Return what stands beside a value: its interval and its sample count, where it has them."""
    parts = [span(value.interval, value.unit), f"n = {count(value.count)}" if value.count is not None else ""]
    return ", ".join(part for part in parts if part)


def level(value: float | None, unit: Unit) -> str:
    """Return a level of load: `41.2 requests/s` or `120 users`."""
    return quantity(value, "requests/s" if unit == "rate" else unit)


def nanoseconds(value_ns: float | None) -> str:
    """Return a duration in the unit that keeps three digits."""
    return UNKNOWN if value_ns is None else format_ns(value_ns)


def share(value: float | None) -> str:
    """Return a ratio as a percentage."""
    return UNKNOWN if value is None else format_ratio(value)


def times(value: float | None) -> str:
    """Return a factor: `4.41×`."""
    return UNKNOWN if value is None else f"{three_digits(value)}×"


def count(value: int | None) -> str:
    """Return an exact count with its thousands grouped."""
    return UNKNOWN if value is None else f"{value:,}"


def size(value: float | None) -> str:
    """Return bytes for people."""
    return UNKNOWN if value is None else format_bytes(value)


def clock(seconds: float) -> str:
    """Return a stretch of time of minutes and more: `3 min 24 s`, `1 h 5 min`; below two minutes `84.0 s`."""
    if seconds < 120:
        return f"{three_digits(seconds)} s"
    whole = round(seconds)
    hours, minutes, rest = whole // 3600, whole // 60 % 60, whole % 60
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"


def moment(seconds: float) -> str:
    """Return a moment on the timeline as minutes and seconds: `1:05`."""
    whole = round(seconds)
    return f"{whole // 60}:{whole % 60:02d}"


def axis_scale(values: list[float], unit: str) -> tuple[float, str]:
    """Return what to divide by, and the unit's name, for an axis over *values*: nanoseconds to ms or s, bytes to MB."""
    top = max((abs(value) for value in values if math.isfinite(value)), default=0.0)
    if unit == "ns":
        return next(((float(NS_PER[name]), name) for name in ("s", "ms", "µs") if top >= NS_PER[name]), (1.0, "ns"))
    if unit == "bytes":
        steps = ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "KB"))
        return next((step for step in steps if top >= step[0]), (1.0, "B"))
    if unit == "ratio":
        return 0.01, "%"
    return 1.0, unit


def code_spans(text: str) -> Iterator[tuple[bool, str]]:
    """Yield the parts of *text* as (is code, part): what stands between paired back ticks is code."""
    parts = text.split("`")
    if len(parts) % 2 == 0:  # an unpaired back tick is only a character
        yield False, text
        return
    for index, part in enumerate(parts):
        if part:
            yield index % 2 == 1, part
