"""Times that an application gives as text, such as `30s`: what is wrong with them, said all at once."""

from __future__ import annotations

from scaleworthy.errors import UsageError
from scaleworthy.units import parse_duration_ns


def time_problems(*, above_zero: bool = True, **times: str | None) -> list[str]:
    """Return what is wrong with each of *times*, by its argument's name; None is a time that was not given."""
    problems = []
    for name, text in times.items():
        if text is None:
            continue
        try:
            if parse_duration_ns(text) == 0 and above_zero:
                problems.append(f"{name}: more than no time is wanted, such as 50ms or 30s; got {text!r}")
        except UsageError as error:
            problems.append(f"{name}: {error.message}")
    return problems
