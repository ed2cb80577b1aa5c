"""One impulse: from almost nothing straight to the level that held when the load rose step by step.

Pools that grow, caches that fill and workers that start take their time, so a target may break at a sudden load that it takes when it
rises gradually. The step is judged from its first second on (no warm-up is left out) and followed by a measured recovery. Where it
breaks, lower steps are tried, at most four in all and only while there is time.
"""

from __future__ import annotations

from collections.abc import Callable

from scaleworthy.load.limit.evidence import Evidence
from scaleworthy.load.limit.levels import Levels
from scaleworthy.load.limit.noise import Noise
from scaleworthy.load.limit.probe import Prober, Tried
from scaleworthy.load.limit.settings import SearchSettings
from scaleworthy.load.result import Probe

FROM_SHARE = 0.1
LOWER = (0.75, 0.5)
_STEPS_MOST = 4


class Sudden:
    """The sudden steps of one search."""

    def __init__(
        self, prober: Prober, settings: SearchSettings, levels: Levels, on_probe: Callable[[Probe], None] | None
    ) -> None:
        self._prober = prober
        self._settings = settings
        self._levels = levels
        self._on_probe = on_probe
        self.tried: list[Tried] = []

    @property
    def cost_s(self) -> int:
        """What one step takes, its recovery left out; 0 where none is wanted."""
        return self._settings.sudden_s + self._settings.warm_up_s + 1 if self._settings.sudden_s else 0

    @property
    def passing(self) -> float | None:
        """The highest sudden level that held."""
        return max((item.probe.level for item in self.tried if item.held), default=None)

    @property
    def failing(self) -> float | None:
        """The lowest sudden level that broke each time it was tried."""
        held = {item.probe.level for item in self.tried if item.held}
        return min((item.probe.level for item in self.tried if item.probe.level not in held), default=None)

    def run(self, evidence: Evidence) -> None:
        """Step to the level that held; where that breaks, to lower ones."""
        highest = evidence.passing()
        if highest is None or not self._settings.sudden_s:
            return
        lower = [self._levels.rounded_down(highest * share) for share in LOWER]
        level = highest
        for _ in range(_STEPS_MOST):
            if self._settings.longest_s - self._prober.elapsed_s < self.cost_s:
                return
            tried = self._step(level, evidence.noise(level))
            if tried.held or tried.generator_limited:
                return
            # What may have been chance is tried a second time before a lower level is.
            again = tried.probe.passed is None and sum(item.probe.level == level for item in self.tried) == 1
            if not again:
                if not lower:
                    return
                level = lower.pop(0)

    def _step(self, level: float, noise: Noise) -> Tried:
        settings = self._settings
        self._prober.rest(max(level * FROM_SHARE, self._levels.lowest), seconds=max(settings.warm_up_s, 1))
        seconds = settings.sudden_s
        tried = self._prober.try_level(level, "sudden", most_s=seconds, least_s=seconds, noise=noise)
        self.tried.append(tried)
        if self._on_probe is not None:
            self._on_probe(tried.probe)
        return tried
