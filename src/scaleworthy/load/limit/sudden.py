"""One impulse: from almost nothing straight to the level that held when the load rose step by step.

Pools that grow, caches that fill and workers that start take their time, so a target may break at a sudden load that it takes when it
rises gradually. The step is judged from its first second on (no warm-up is left out) and followed by a measured recovery. Where it
surely breaks, lower steps are tried, three in all and only while there is time. The level itself was proved over minutes, so a step
that ten seconds leave undecided counts as held.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from scaleworthy.load.limit.evidence import Evidence
from scaleworthy.load.limit.levels import Levels
from scaleworthy.load.limit.margin import decide
from scaleworthy.load.limit.noise import Noise
from scaleworthy.load.limit.probe import Prober, Tried
from scaleworthy.load.limit.settings import SearchSettings
from scaleworthy.load.result import Probe

FROM_SHARE = 0.1
SHARES = (1.0, 0.75, 0.5)


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
    def _rest_s(self) -> int:
        return max(self._settings.warm_up_s, 1)

    @property
    def cost_s(self) -> int:
        """What one step takes, its recovery left out; 0 where none is wanted."""
        return self._settings.sudden_s + self._rest_s if self._settings.sudden_s else 0

    @property
    def passing(self) -> float | None:
        """The highest sudden level that did not surely break."""
        return max((item.probe.level for item in self.tried if item.probe.passed is not False), default=None)

    @property
    def failing(self) -> float | None:
        """The lowest sudden level that surely broke."""
        return min((item.probe.level for item in self.tried if item.probe.passed is False), default=None)

    def run(self, evidence: Evidence) -> None:
        """Step to the level that held; where that breaks, to lower ones."""
        highest = evidence.passing()
        if highest is None or not self._settings.sudden_s:
            return
        noise = evidence.steady_noise(highest)
        for share in SHARES:
            if self._settings.longest_s - self._prober.elapsed_s < self.cost_s:
                return
            level = highest if share == 1 else self._levels.rounded_down(highest * share)
            if self._step(level, noise).probe.passed is not False:
                return

    def _step(self, level: float, noise: Noise) -> Tried:
        settings = self._settings
        self._prober.rest(max(level * FROM_SHARE, self._levels.lowest), seconds=self._rest_s)
        seconds = settings.sudden_s
        tried = self._prober.try_level(level, "sudden", most_s=seconds, least_s=seconds, noise=noise)
        tried = self._judged(tried, noise)
        self.tried.append(tried)
        if self._on_probe is not None:
            self._on_probe(tried.probe)
        return tried

    def _judged(self, tried: Tried, noise: Noise) -> Tried:
        """Return the step, judged by the noise of the steady probes: its own scatter is the effect that is looked for."""
        if tried.seen is None or tried.seen.lost or not tried.seen.margins:
            return tried
        errors = [noise.steady_error_of(margin, tried.seen.seconds) for margin in tried.seen.margins]
        passed = decide(tried.seen.margins, errors, z=self._prober.z)
        return replace(tried, probe=replace(tried.probe, passed=passed))
