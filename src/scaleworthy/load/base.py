"""What every part of a plan has in common: strict types, no unknown fields, quantities written with their units.

A field's name in Python carries its unit (`timeout_ns`); its alias is the word of the plan file (`timeout: 10s`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, PlainSerializer

from scaleworthy.errors import UsageError
from scaleworthy.units import NS_PER, parse_bytes, parse_duration_ns, parse_rate_per_s

SECOND_NS = 10**9
DURATION_MAX_NS = 7 * 86_400 * SECOND_NS
T = TypeVar("T")


class PartProblems(ValueError):
    """Several things that are wrong within one part of a plan, each as `field.inner[0]: what is wrong`."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)


class PlanPart(BaseModel):
    """One mapping of a plan: wrong types and unknown fields are refused, and it never changes once made."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


def from_text(parse: Callable[[str], T], wanted: str) -> Callable[[Any], T]:
    """Return a validator that reads text with *parse* and names the *wanted* form when it is given anything else."""

    def read(value: Any) -> T:
        if not isinstance(value, str):
            raise ValueError(f"must be {wanted}, got {shown(value)}")
        try:
            return parse(value)
        except UsageError as error:
            raise ValueError(error.message) from error

    return read


def shown(value: Any) -> str:
    """Return *value* as a reader of a message needs it: short."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def duration_text(value_ns: int) -> str:
    """Return the shortest exact text of a duration; `parse_duration_ns` reads it back."""
    for unit in ("d", "h", "m", "s", "ms", "us"):
        if value_ns and value_ns % NS_PER[unit] == 0:
            return f"{value_ns // NS_PER[unit]}{unit}"
    return f"{value_ns}ns"


def _parse_bounded_ns(text: str) -> int:
    value_ns = parse_duration_ns(text)
    if not 0 < value_ns <= DURATION_MAX_NS:
        raise UsageError(f"a duration must be above 0 and at most 7d, got {text!r}")
    return value_ns


def _parse_rate(text: str) -> float:
    per_s = parse_rate_per_s(text)
    if not 0 < per_s <= 10_000_000:
        raise UsageError(f"a rate must be above 0 and at most 10000000/s, got {text!r}")
    return per_s


def _parse_bytes_above_0(text: str) -> int:
    size = parse_bytes(text)
    if size < 1:
        raise UsageError(f"a size must be above 0, got {text!r}")
    return size


Duration = Annotated[
    int,
    BeforeValidator(from_text(_parse_bounded_ns, "a duration with a unit, such as 500ms, 30s or 5m")),
    PlainSerializer(duration_text),
]
Rate = Annotated[
    float,
    BeforeValidator(from_text(_parse_rate, "a rate with a unit, such as 500/s or 30/m")),
    PlainSerializer(lambda per_s: f"{per_s:.12g}/s"),
]
Bytes = Annotated[
    int,
    BeforeValidator(from_text(_parse_bytes_above_0, "a size with a unit, such as 64KB or 10MB")),
    PlainSerializer(lambda size: f"{size}B"),
]
