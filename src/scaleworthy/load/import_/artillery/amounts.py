"""Numbers, switches and times as Artillery's files write them: a number of seconds, `"30s"`, `"5 min"`, `"true"`."""

from __future__ import annotations

import math
import re
from typing import Any

from scaleworthy.load.base import DURATION_MAX_NS, SECOND_NS, shown
from scaleworthy.load.import_.artillery.reading import Reading
from scaleworthy.load.yaml_lines import Loc

_UNITS_MS = {
    "y": 31_557_600_000.0,
    "w": 604_800_000.0,
    "d": 86_400_000.0,
    "h": 3_600_000.0,
    "m": 60_000.0,
    "s": 1_000.0,
    "ms": 1.0,
}
_UNIT_OF = {
    **dict.fromkeys(("years", "year", "yrs", "yr", "y"), "y"),
    **dict.fromkeys(("weeks", "week", "w"), "w"),
    **dict.fromkeys(("days", "day", "d"), "d"),
    **dict.fromkeys(("hours", "hour", "hrs", "hr", "h"), "h"),
    **dict.fromkeys(("minutes", "minute", "mins", "min", "m"), "m"),
    **dict.fromkeys(("seconds", "second", "secs", "sec", "s"), "s"),
    **dict.fromkeys(("milliseconds", "millisecond", "msecs", "msec", "ms"), "ms"),
}
_TIME = re.compile(r"\s*(\d*\.?\d+)\s*([a-z]*)\s*", re.IGNORECASE)


def number(reading: Reading, loc: Loc, value: Any, *, least: float = 0.0) -> float | None:
    """Return a number, also one written as text; None where there is none, or where it was refused."""
    if value is None:
        return None
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            reading.refuse(loc, f"must be a number, got {shown(value)}")
            return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or value < least:
        reading.refuse(loc, f"must be a number from {least:g}, got {shown(value)}")
        return None
    return float(value)


def switch(reading: Reading, loc: Loc, value: Any) -> bool | None:
    """Return true or false, also as text; None where there is none, or where it was refused."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str) and value.strip().lower() in ("true", "false"):
        return value.strip().lower() == "true"
    reading.refuse(loc, f"must be true or false, got {shown(value)}")
    return None


def time_ns(reading: Reading, loc: Loc, value: Any, *, what: str = "a time") -> int | None:
    """Return nanoseconds: a number is seconds, text is `30`, `30s`, `5m`, `5min`, `500ms`. None where it was refused."""
    found = parse_time_ns(value)
    if found is None or found > DURATION_MAX_NS:
        reading.refuse(loc, f"must be {what}: seconds, or such as '30s' or '5m', up to 7 days, got {shown(value)}")
        return None
    return found


def parse_time_ns(value: Any) -> int | None:
    """Return nanoseconds, or None for what is no time."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return round(value * SECOND_NS) if 0 <= value < 1e9 else None
    found = _TIME.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        return None
    unit = "s" if not found[2] else _UNIT_OF.get(found[2].lower())
    if unit is None:
        return None
    ns = float(found[1]) * _UNITS_MS[unit] * 1e6
    return round(ns) if ns < 1e18 else None
