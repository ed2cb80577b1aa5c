"""One second of a run, as a progress line or a search needs it: counts, gauges and merged latency."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from scaleworthy.series import Histogram, SeriesKey, Slice

_COUNTS = ("planned", "started", "answered", "failed", "not_started")
_GAUGES = ("in_flight", "waiting", "users", "connections", "target")


@dataclass(slots=True)
class Second:
    """What happened within one second, over all steps.

    Attributes:
        second: Unix time.
        response: Response times of what was answered.
        service: Service times of the same.
        target: The level asked for: starts per second, or users.
    """

    second: int
    slices: Sequence[Slice] = ()
    planned: int = 0
    started: int = 0
    answered: int = 0
    failed: int = 0
    not_started: int = 0
    in_flight: float = 0.0
    waiting: float = 0.0
    users: float = 0.0
    connections: float = 0.0
    target: float = 0.0
    response: Histogram = field(default_factory=Histogram)
    service: Histogram = field(default_factory=Histogram)


def summed(second: int, slices: Sequence[Slice]) -> Second:
    """Return the second that *slices* describe, steps merged."""
    result = Second(second, slices)
    counts = dict.fromkeys(_COUNTS, 0.0)
    gauges = dict.fromkeys(_GAUGES, 0.0)
    for key, value in slices:
        part, _, name = key.name.partition(".")
        if part != "load":
            continue
        if isinstance(value, Histogram):
            if name == "response_time":
                result.response.merge(value)
            elif name == "service_time":
                result.service.merge(value)
        elif name in counts:
            counts[name] += value
        elif name in gauges:
            gauges[name] += value
    for name, total in counts.items():
        setattr(result, name, round(total))
    for name, total in gauges.items():
        setattr(result, name, total)
    return result


class Keys:
    """Make a series' key once: the engine names the same few series every second."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, tuple[tuple[str, str], ...]], SeriesKey] = {}

    def slices(
        self, raw: Sequence[tuple[str, tuple[tuple[str, str], ...], str, str, Histogram | float]]
    ) -> list[Slice]:
        """Return the engine's slices with their keys."""
        made: list[Slice] = []
        for name, labels, unit, kind, value in raw:
            at = (name, tuple(labels))
            key = self._known.get(at)
            if key is None:
                key = self._known[at] = SeriesKey(name, tuple(sorted(at[1])), unit, kind)  # type: ignore[arg-type]
            made.append((key, value))
        return made
