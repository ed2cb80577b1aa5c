"""What all probes near the limit together say of the noise.

A short probe that met no burst looks quiet and far too sure of itself. So a probe on the way to the limit (from 60 % of the lowest
level that broke) takes the design effect of all probes right at it (from 92 %), weighted by their seconds, where its own is smaller; and
every probe is judged again once the search knows more.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from scaleworthy.load.limit.margin import Margin

NEAR = 0.6
LEARN_FROM = 0.92
PRIOR_EFFECT = 100.0
PRIOR_SECONDS = 20.0
"""Before anything is known: a queue near its limit, as strong as twenty seconds of evidence. Simulated queues of 1 to 8 servers at 85 to
94 % use have 75 to 160."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A probe's margins, how long it was judged, and whether it was cut short as lost."""

    level: float
    seconds: int
    margins: Sequence[Margin]
    lost: bool


def learned_effects(seen: Sequence[Seen], *, broke: float | None) -> dict[str, float]:
    """Return the design effect of each latency objective near the limit; nothing while no level broke."""
    if broke is None:
        return {}
    weights: dict[str, float] = {}
    sums: dict[str, float] = {}
    for probe in seen:
        for margin in probe.margins:
            if not margin.queueing:
                continue
            name = margin.objective
            sums.setdefault(name, PRIOR_EFFECT * PRIOR_SECONDS)
            weights.setdefault(name, PRIOR_SECONDS)
            if probe.level >= LEARN_FROM * broke and not probe.lost:
                sums[name] += margin.design_effect * probe.seconds
                weights[name] += probe.seconds
    return {name: total / weights[name] for name, total in sums.items()}


def is_near(level: float, *, broke: float | None) -> bool:
    """Return whether *level* is on the way to the limit, as far as is known."""
    return broke is not None and level >= NEAR * broke
