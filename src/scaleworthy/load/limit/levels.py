"""Which levels may be asked for: where a search starts, how far up it may go, and figures that people can read.

The generator bounds a search over rates: beyond 80 % of what it can send, its own lateness would be taken for the target's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from scaleworthy.load.limit.settings import SearchSettings
from scaleworthy.load.result import Probe, Unit

GENERATOR_SHARE = 0.8
_GENERATOR_BUSY = 0.5
_IDLE_BUSY = 0.25
_START = {"rate": 10.0, "users": 2.0, "connections": 10.0}
_LOWEST = {"rate": 0.5, "users": 1.0, "connections": 1.0}


@dataclass(frozen=True, slots=True)
class Levels:
    """The levels of one search.

    Attributes:
        generator_max_per_s: Requests per second that the generator can send; None where it was not measured.
        requests_per_start: Requests of one scenario start, on average.
    """

    unit: Unit
    settings: SearchSettings
    generator_max_per_s: float | None = None
    requests_per_start: float = 1.0

    @property
    def first(self) -> float:
        """Where the search starts."""
        first = self.settings.start_level or _START[self.unit]
        return first if self.settings.level_max is None else min(first, self.settings.level_max)

    @property
    def lowest(self) -> float:
        """Below this nothing is tried."""
        return _LOWEST[self.unit]

    @property
    def generator_max(self) -> float | None:
        """What the generator can send, as a level; known for rates only."""
        if self.generator_max_per_s is None or self.unit != "rate":
            return None
        return self.generator_max_per_s / self.requests_per_start

    @property
    def generator_bound(self) -> float | None:
        """The highest level that the generator is trusted with."""
        return None if self.generator_max is None else GENERATOR_SHARE * self.generator_max

    @property
    def generator_busy_from_per_s(self) -> float:
        """From so many requests per second on, lateness may be the generator's own."""
        return _GENERATOR_BUSY * GENERATOR_SHARE * (self.generator_max_per_s or 0.0)

    def beyond(self, level: float, last: Probe | None) -> Literal["generator", "max-level"] | None:
        """Return what forbids *level*, if anything does; *last* is the probe before it."""
        bound = self.generator_bound
        if bound is not None and level > bound * (1 + 1e-9):
            return "generator"
        if self.settings.level_max is not None and level > self.settings.level_max:
            return "max-level"
        if self.unit != "rate" and last is not None and self.generator_max_per_s is not None:
            return "generator" if last.requests_per_s > GENERATOR_SHARE * self.generator_max_per_s else None
        return None

    def next_up(self, probe: Probe) -> float:
        """Twice the level; further while less than a quarter of one server is busy with it (Little's law).

        Connections are doubled: a thousand of them may be idle, and cost the target all the same.
        """
        level = probe.level * 2
        if self.unit != "connections" and probe.in_flight_mean > 0:
            level = max(level, probe.level * _IDLE_BUSY / probe.in_flight_mean)
        bounds = [bound for bound in (self.settings.level_max, self.generator_bound) if bound is not None]
        if bounds and probe.level < min(bounds):
            level = min(level, *bounds)
        return self.rounded(level)

    def further(self, level: float, *, times: float) -> float:
        """Return the level that is so many *times* higher, at least the next one."""
        higher = self.rounded(level * times)
        return higher if higher > level else level + 1

    def rounded(self, level: float) -> float:
        """Return a level that people can read: whole users, rates with four digits."""
        return float(f"{level:.4g}") if self.unit == "rate" else float(max(round(level), 1))

    def rounded_down(self, level: float) -> float:
        """Return a level that people can read, at or below *level*."""
        if self.unit != "rate":
            return float(max(int(level), 1))
        rounded = float(f"{level:.3g}")
        return rounded if rounded <= level else float(f"{level * 0.995:.3g}")
