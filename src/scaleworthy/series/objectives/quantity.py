"""Limits with their units: read `500ms`, `1%`, `100/s`, `64MB`; write them back so that they read the same.

Inside: nanoseconds, seconds, ratios, bytes, and plain numbers, always as the float nearest to the decimal that was written.
"""

from __future__ import annotations

import re
from decimal import Decimal

_TIMES_NS = {"ns": 1, "us": 10**3, "µs": 10**3, "ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9}
_BYTES = {"B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
_WRITTEN = re.compile(r"(?P<number>\d+(?:\.\d+)?)\s*(?P<unit>[^\s\d/]*)\s*(?P<per>/\s*s)?")

UNITS = frozenset({*_TIMES_NS, *_BYTES, "%"})

_WANTED = {
    "ns": "a time, such as 500ms",
    "s": "a time, such as 30s",
    "ratio": "a share, such as 1% or 0.01",
    "bytes": "a size, such as 64MB",
    "bytes/s": "a rate, such as 10MB/s",
    "s/s": "a plain number, such as 2",
}


def wanted(unit: str) -> str:
    """Return how a limit in *unit* is written, for a message."""
    return _WANTED.get(unit, "a rate, such as 100/s" if unit.endswith("/s") else "a plain number, such as 100")


def read(text: str, unit: str) -> float | None:
    """Return the limit that *text* names, in *unit*; None where that is not a quantity of this unit."""
    found = _WRITTEN.fullmatch(text)
    if found is None:
        return None
    number, suffix = Decimal(found["number"]), found["unit"]
    base, per_second = unit.removesuffix("/s"), found["per"] is not None
    if per_second and not unit.endswith("/s"):
        return None
    if base in ("ns", "s") and unit == base:
        scale = Decimal(_TIMES_NS[suffix]) if suffix in _TIMES_NS else None
        if scale is not None and base == "s":
            scale /= 10**9
    elif base == "ratio":
        scale = {"": Decimal(1), "%": Decimal("0.01")}.get(suffix)
    elif base == "bytes":
        scale = Decimal(_BYTES[suffix or "B"]) if (suffix or "B") in _BYTES else None
    else:
        scale = Decimal(1) if not suffix else None
    return None if scale is None else float(number * scale)


def write(value: float, unit: str) -> str:
    """Return *value* in the largest unit of its kind that leaves at least 1; `read` gives the same float back."""
    exact = Decimal(repr(value))
    if unit in ("ns", "s"):
        exact_ns = exact if unit == "ns" else exact * 10**9
        return _largest(exact_ns, {name: _TIMES_NS[name] for name in ("ns", "us", "ms", "s")})
    if unit == "ratio":
        return _plain(exact * 100) + "%"
    if unit.removesuffix("/s") == "bytes":
        return _largest(exact, _BYTES) + ("/s" if unit.endswith("/s") else "")
    return _plain(exact) + ("/s" if unit.endswith("/s") and unit != "s/s" else "")


def _largest(value: Decimal, scales: dict[str, int]) -> str:
    name = max(
        (name for name in scales if value >= scales[name]),
        key=scales.__getitem__,
        default=min(scales, key=scales.__getitem__),
    )
    return _plain(value / scales[name]) + name


def _plain(value: Decimal) -> str:
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
