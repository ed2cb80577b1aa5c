"""How long and how precisely to search."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from scaleworthy.errors import InvalidInput


@dataclass(frozen=True, slots=True)
class SearchSettings:
    """Times in seconds; the default finds a limit within 5 % in under five minutes.

    Attributes:
        start_level: First level; None begins at 10 per second (2 users) and jumps ahead where the target is nearly idle.
        level_max: Never ask for more; None is bounded by the generator alone.
        warm_up_s: Left out at the start of each probe.
        probe_least_s: Judged seconds before anything is decided.
        bracket_s: Most judged seconds of a probe that brackets.
        refine_s: Judged seconds of a probe that refines; where it stays undecided, the next may take longer.
        refine_longest_s: Where that growth ends.
        drain_longest_s: Most that is waited for the target to recover.
        confirm_s: How long the limit is held at the end; 0 leaves it out.
        sudden_s: How long the sudden step to that limit is judged; 0 leaves it out.
        longest_s: The whole search.
        precision: Ends when the limit's interval is within ± this ratio.
        confidence: Of every interval.
        seed: Of the search's own random numbers (the bootstrap); the load's seed is the plan's.
    """

    start_level: float | None = None
    level_max: float | None = None
    warm_up_s: int = 3
    probe_least_s: int = 5
    bracket_s: int = 10
    refine_s: int = 20
    refine_longest_s: int = 60
    drain_longest_s: int = 20
    confirm_s: int = 40
    sudden_s: int = 10
    longest_s: int = 290
    precision: float = 0.03
    confidence: float = 0.95
    seed: int = 1

    def __post_init__(self) -> None:
        problems = [
            f"{name} must be above 0, got {value}"
            for name, value in (
                ("start_level", self.start_level),
                ("level_max", self.level_max),
                ("probe_least_s", self.probe_least_s),
                ("longest_s", self.longest_s),
                ("precision", self.precision),
            )
            if value is not None and value <= 0
        ]
        if not 0.5 <= self.confidence < 1:
            problems.append(f"confidence must be from 0.5 to below 1, got {self.confidence}")
        if self.start_level and self.level_max and self.start_level > self.level_max:
            problems.append(f"start_level must not be above level_max, got {self.start_level:g} and {self.level_max:g}")
        if problems:
            raise InvalidInput("search settings", problems, hint="levels are above 0: --start at most --max")

    @classmethod
    def quick(cls, *, seed: int = 1) -> Self:
        """Return settings for a rougher search within 40 s; the sudden step is left out."""
        return cls(
            warm_up_s=1,
            probe_least_s=2,
            bracket_s=3,
            refine_s=3,
            refine_longest_s=6,
            drain_longest_s=4,
            confirm_s=5,
            sudden_s=0,
            longest_s=38,
            precision=0.05,
            seed=seed,
        )
