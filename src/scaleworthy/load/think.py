"""A pause between two steps of a user."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator, PlainSerializer

from scaleworthy.errors import UsageError
from scaleworthy.load.base import PlanPart, duration_text, from_text
from scaleworthy.units import parse_duration_ns


def _parse_think(text: str) -> tuple[int, int]:
    low, dots, high = text.partition("..")
    least_ns = parse_duration_ns(low)
    most_ns = parse_duration_ns(high) if dots else least_ns
    if least_ns > most_ns or most_ns > 86_400 * 10**9:
        raise UsageError(f"a think time is 2s, or a range such as 1s..3s up to 1d, got {text!r}")
    return least_ns, most_ns


class ThinkStep(PlanPart):
    """A pause: `2s`, or drawn evenly from `1s..3s`."""

    think: Annotated[
        tuple[int, int],
        BeforeValidator(from_text(_parse_think, "a time such as 2s or 1s..3s")),
        PlainSerializer(lambda pair: "..".join(duration_text(ns) for ns in dict.fromkeys(pair))),
    ]

    def to_native(self, base: str) -> dict[str, Any]:  # noqa: ARG002 - the same call makes either kind of step
        """Return the engine's form."""
        return {"think": {"min_ns": self.think[0], "max_ns": self.think[1]}}
