"""What all probes near the limit together say of the noise.

A short probe that met no burst looks quiet and far too sure of itself. So a probe on the way to the limit (from 60 % of the lowest
level that broke) takes what all probes right at it (from 92 %) show, weighted by their seconds, where its own is smaller: the design
effect, and the variance of a margin per second of probe. And every probe is judged again once the search knows more.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from scaleworthy.load.limit.margin import Margin

NEAR = 0.6
LEARN_FROM = 0.92
STEADY = 0.9
PRIOR_EFFECT = 100.0
PRIOR_BURST_S = 0.6
PRIOR_SECONDS = 20.0
"""Before anything is known: a queue near its limit, as strong as twenty seconds of evidence. Simulated queues of 1 to 8 servers at 85 to
94 % use and 170 requests per second or more have 75 to 160; of fewer requests a burst of the same length holds fewer."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A probe's margins, how long it was judged, and whether it was cut short as lost.

    Attributes:
        arrived: The level as chance made it arrive: of 170 per second planned, 20 s may bring 167.
        requests_per_s: Planned requests per second.
    """

    level: float
    seconds: int
    margins: Sequence[Margin]
    lost: bool
    arrived: float | None = None
    requests_per_s: float = math.inf


@dataclass(frozen=True, slots=True)
class Noise:
    """What is known of each latency objective near the limit: its design effect, and its variance over one second."""

    effects: dict[str, float] = field(default_factory=dict)
    variances: dict[str, float] = field(default_factory=dict)

    def error_of(self, margin: Margin, seconds: int) -> float:
        """Return the standard error of a probe's margin with what the others show."""
        own = margin.error(design_effect=self.effects.get(margin.objective, 1.0))
        shared = math.sqrt(self.variances.get(margin.objective, 0.0) / max(seconds, 1))
        return max(own, shared)

    def steady_error_of(self, margin: Margin, seconds: int) -> float:
        """Return the standard error that a steady probe of so many seconds would have; its own where no other is known."""
        shared = self.variances.get(margin.objective)
        return margin.error() if shared is None else math.sqrt(shared / max(seconds, 1))


def learned_noise(seen: Sequence[Seen], *, broke: float | None) -> Noise:
    """Return the noise of each latency objective near the limit; nothing while no level broke."""
    noise = Noise()
    if broke is None:
        return noise
    prior = min(PRIOR_EFFECT, PRIOR_BURST_S * max(probe.requests_per_s for probe in seen if probe.level <= broke))
    near = [probe for probe in seen if probe.level >= LEARN_FROM * broke and not probe.lost]
    for name in {margin.objective for probe in seen for margin in probe.margins if margin.queueing}:
        pairs = [(probe.seconds, margin) for probe in near for margin in probe.margins if margin.objective == name]
        seconds = sum(pair[0] for pair in pairs)
        effects = sum(length * margin.design_effect for length, margin in pairs) + prior * PRIOR_SECONDS
        noise.effects[name] = effects / (seconds + PRIOR_SECONDS)
    noise.variances.update(_variances(near))
    return noise


def steady_noise(seen: Sequence[Seen], *, level: float) -> Noise:
    """Return the noise of the probes at *level* and a little below it, all of which were steady."""
    return Noise(variances=_variances([probe for probe in seen if STEADY * level <= probe.level <= level]))


def _variances(probes: Sequence[Seen]) -> dict[str, float]:
    """Return each latency objective's variance over one second of these probes, weighted by their seconds."""
    sums: dict[str, float] = {}
    seconds: dict[str, int] = {}
    for probe in probes:
        for margin in probe.margins:
            if margin.queueing:
                name = margin.objective
                sums[name] = sums.get(name, 0.0) + (probe.seconds * margin.error()) ** 2
                seconds[name] = seconds.get(name, 0) + probe.seconds
    return {name: total / seconds[name] for name, total in sums.items()}


def is_near(level: float, *, broke: float | None) -> bool:
    """Return whether *level* is on the way to the limit, as far as is known."""
    return broke is not None and level >= NEAR * broke
