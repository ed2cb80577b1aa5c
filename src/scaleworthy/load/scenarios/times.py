"""Times as a scenario writes them: "30s", "1s..3s", or seconds."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from scaleworthy.errors import UsageError
from scaleworthy.units import parse_duration_ns

if TYPE_CHECKING:
    from scaleworthy.load.scenarios.user import User


def seconds_ns(value: float | str) -> int:
    """Return nanoseconds of a duration such as "500ms", or of seconds.

    Raises:
        ValueError: Neither, or not above 0.
    """
    least_ns, most_ns = _range_ns(value)
    if least_ns != most_ns or least_ns <= 0:
        raise ValueError(f"must be a time above 0, such as 500ms or 2.5 (seconds), got {value!r}")
    return least_ns


def think_ns(value: float | str, user: User) -> int:
    """Return nanoseconds to wait: drawn evenly where *value* is a range.

    Raises:
        ValueError: No time, nor a range of times.
    """
    least_ns, most_ns = _range_ns(value)
    return least_ns if least_ns == most_ns else user.random.randint(least_ns, most_ns)


@lru_cache(maxsize=1_000)
def _range_ns(value: float | str) -> tuple[int, int]:
    if isinstance(value, int | float):
        if not 0 <= value <= 86_400:
            raise ValueError(f"must be 0 to 86400 seconds, got {value!r}")
        return round(value * 1e9), round(value * 1e9)
    low, dots, high = value.partition("..")
    try:
        least_ns = parse_duration_ns(low)
        most_ns = parse_duration_ns(high) if dots else least_ns
    except UsageError as error:
        raise ValueError(
            f"must be a time such as 2s, or a range such as 1s..3s, got {value!r}: {error.message}"
        ) from error
    if least_ns > most_ns:
        raise ValueError(f"the first time must not be above the second, got {value!r}")
    return least_ns, most_ns
