"""What all probes so far say together: which levels held, which broke, and the curve through them."""

from __future__ import annotations

from collections.abc import Sequence

from scaleworthy.load.limit.fit import Fit, Point, fit
from scaleworthy.load.limit.noise import Noise, is_near, learned_noise, steady_noise
from scaleworthy.load.limit.probe import COMFORTABLE, Tried
from scaleworthy.load.result import Probe

_SURELY_Z = 3.0
LIKELY = 0.8


class Evidence:
    """The probes of one search; the newest is judged with all others, and they with it."""

    def __init__(self, *, z: float, confidence: float, seed: int) -> None:
        self._z = z
        self._confidence = confidence
        self._seed = seed
        self.tried: list[Tried] = []

    def add(self, tried: Tried) -> None:
        """Add a probe."""
        self.tried.append(tried)

    @property
    def last(self) -> Probe | None:
        """The newest probe."""
        return self.tried[-1].probe if self.tried else None

    def sides(self) -> tuple[list[float], list[float]]:
        """Return the levels that held as far as they were seen, and those that did not.

        What broke by too few answers to tell is forgotten once as high a level held: it was chance.
        """
        judged = [item for item in self.tried if item.seen is not None]
        held = [item.probe.level for item in judged if item.held]
        highest = max(held, default=0.0)
        broke = [item for item in judged if not item.held and not (item.few and item.probe.level <= highest)]
        return held, [item.probe.level for item in broke]

    def noise(self, level: float) -> Noise:
        """Return what a probe at *level* learns of the noise from those near the limit."""
        seen = [item.seen for item in self.tried if item.seen is not None]
        broke = min(self.sides()[1], default=None)
        return learned_noise(seen, broke=broke) if is_near(level, broke=broke) else Noise()

    def steady_noise(self, level: float) -> Noise:
        """Return the noise of the probes at *level* and a little below it."""
        return steady_noise([item.seen for item in self.tried if item.seen is not None], level=level)

    def probes(self) -> tuple[Probe, ...]:
        """Return every probe, judged by what is known of the noise by now."""
        return tuple(item.judged_again(z=self._z, noise=self.noise(item.probe.level)) for item in self.tried)

    def points(self) -> list[Point]:
        """Return the probes as points of the fit."""
        found = [item.point(self.noise(item.probe.level)) for item in self.tried]
        return [point for point in found if point is not None]

    def fit(self) -> Fit:
        """Return the curve through all probes."""
        return fit(self.points(), seed=self._seed)

    def failing(self) -> float | None:
        """The lowest level that surely broke."""
        return min((probe.level for probe in self.probes() if probe.passed is False), default=None)

    def passing(self) -> float | None:
        """The highest level that held, alone or in the confirmation, and that all probes together are as sure of.

        A probe that happened to be quiet is no proof where its neighbours say otherwise.
        """
        failing = self.failing()
        surely, confirmed = set(), set()
        for probe, tried in zip(self.probes(), self.tried, strict=True):
            if failing is not None and probe.level >= failing:
                continue
            if probe.passed:
                surely.add(probe.level)
            elif probe.phase == "confirm" and probe.passed is None and tried.value > 0:
                confirmed.add(probe.level)
        if failing is None or not surely | confirmed:
            return max(surely | confirmed, default=None)
        fitted, least = self.fit(), 1 - (1 - self._confidence) / 2
        agreed = [level for level in surely | confirmed if fitted.passes(level) >= least]
        likely = [level for level in confirmed if fitted.passes(level) >= LIKELY]
        return max(agreed, default=min(surely, default=max(likely, default=None)))

    def surely(self, low: float, high: float) -> bool:
        """Whether *low* surely held and *high* surely broke."""
        passed = {(probe.level, probe.passed) for probe in self.probes()}
        return (low, True) in passed and (high, False) in passed

    def comfortable(self, *, below: float) -> float | None:
        """Return the highest level under *below* that held with room to spare, as far as it was seen."""
        found = [item.probe.level for item in self.tried if item.held and item.value >= COMFORTABLE]
        return max((level for level in found if level < below), default=None)

    def reversed_levels(self) -> tuple[float, float] | None:
        """Return a level that surely failed below one that surely passed, if there is such a pair."""
        points = self.points()
        failed = [point.level for point in points if point.margin + _SURELY_Z * point.error < 0]
        passed = [point.level for point in points if point.margin - _SURELY_Z * point.error > 0]
        if failed and passed and min(failed) < max(passed):
            return min(failed), max(passed)
        return None


def binding_of(probes: Sequence[Probe]) -> str:
    """Return the objective that decided nearest to the limit; empty where nothing was judged."""
    judged = [probe for probe in probes if probe.passed is not None or probe.margin]
    near = min(judged, key=lambda probe: (probe.margin > 0, abs(probe.margin)), default=None)
    return near.binding if near is not None else ""
