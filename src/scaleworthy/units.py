"""Read and write quantities with their units: times, rates, ratios, bytes.

Units inside the program: integer nanoseconds, requests per second, ratios from 0 to 1, bytes.
For people: the unit that keeps three digits.
"""

from __future__ import annotations

import math
import re

from scaleworthy.errors import UsageError

NS_PER = {
    "ns": 1,
    "us": 1_000,
    "µs": 1_000,
    "ms": 1_000_000,
    "s": 10**9,
    "m": 60 * 10**9,
    "h": 3600 * 10**9,
    "d": 86_400 * 10**9,
}
_DURATION = re.compile(r"\s*(?P<number>\d+(?:\.\d+)?)\s*(?P<unit>ns|us|µs|ms|s|m|h|d)\s*")
_RATE = re.compile(r"\s*(?P<number>\d+(?:\.\d+)?)\s*(?:/\s*(?P<unit>s|m|h))?\s*")
_BYTES_PER = {"B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
_BYTES = re.compile(r"\s*(?P<number>\d+(?:\.\d+)?)\s*(?P<unit>[KMGT]?B)\s*")


def parse_duration_ns(text: str) -> int:
    """Return the nanoseconds that *text* names, such as `30s`, `1.5m`, `2h` or `1m30s`.

    Raises:
        UsageError: Anything else, with the form that is wanted.
    """
    total, at = 0.0, 0
    while at < len(text):
        found = _DURATION.match(text, at)
        if found is None:
            break
        total += float(found["number"]) * NS_PER[found["unit"]]
        at = found.end()
    if at == 0 or at != len(text):
        raise UsageError(f"a duration is a number and a unit, such as 500ms, 30s, 1m30s or 2h; got {text!r}")
    return round(total)


def parse_rate_per_s(text: str) -> float:
    """Return the events per second that *text* names, such as `500/s`, `30/m` or a bare `500` (per second)."""
    found = _RATE.fullmatch(text)
    if found is None:
        raise UsageError(f"a rate is a number per time, such as 500/s, 30/m or 1000/h; got {text!r}")
    return float(found["number"]) / {"s": 1, "m": 60, "h": 3600, None: 1}[found["unit"]]


def parse_bytes(text: str) -> int:
    """Return the bytes that *text* names, such as `10GB` or `64 KB` (powers of ten)."""
    found = _BYTES.fullmatch(text)
    if found is None:
        raise UsageError(f"a size is a number and a unit, such as 64KB, 10MB or 1.5TB; got {text!r}")
    return round(float(found["number"]) * _BYTES_PER[found["unit"]])


def three_digits(value: float) -> str:
    """Return *value* with three significant digits, thousands grouped, no exponent: `12,300`, `4.57`, `0.0123`."""
    if value == 0 or not math.isfinite(value):
        return "0" if value == 0 else ("∞" if value > 0 else "-∞") if math.isinf(value) else "–"
    decimals = max(0, 2 - math.floor(math.log10(abs(value))))
    rounded = round(value, 2 - math.floor(math.log10(abs(value))))
    return f"{rounded:,.{min(decimals, 9)}f}"


def format_ns(value_ns: float) -> str:
    """Return a duration for people: `3.10 ms`, `209 ms`, `1.50 s`, `12.0 µs`."""
    size = abs(value_ns)
    for unit, scale in (("ns", 1.0), ("µs", 1e3), ("ms", 1e6)):
        if size < 999.5 * scale:
            return f"{three_digits(value_ns / scale)} {unit}"
    return f"{three_digits(value_ns / 1e9)} s"


def format_ratio(value: float) -> str:
    """Return a ratio for people: `12.3 %`."""
    return f"{three_digits(value * 100)} %"


def format_bytes(value: float) -> str:
    """Return a size for people: `12.3 MB` (powers of ten)."""
    size = abs(value)
    for unit in ("B", "KB", "MB", "GB"):
        if size < 999.5 * _BYTES_PER[unit]:
            return f"{three_digits(value / _BYTES_PER[unit])} {unit}"
    return f"{three_digits(value / _BYTES_PER['TB'])} TB"


def format_quantity(value: float, unit: str) -> str:
    """Return *value* of a series' unit for people; units are `ns`, `ratio`, `bytes`, or a word such as `requests`."""
    if unit == "ns":
        return format_ns(value)
    if unit == "ratio":
        return format_ratio(value)
    if unit == "bytes":
        return format_bytes(value)
    return f"{three_digits(value)} {unit}".rstrip()
