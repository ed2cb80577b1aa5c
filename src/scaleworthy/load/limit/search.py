"""Decide what to try next, and when enough is known.

1. *Bracket*: double from a low level until a probe fails; a nearly idle target is jumped ahead on, by Little's law.
2. *Refine*: fit all probes, try where passing is most in doubt, longer each time that stays undecided, until the interval of the
   limit is narrow enough or the time is used.
3. *Confirm*: hold the lower end of that interval.

Design after Shivam et al., USENIX ATC 2008 (short rough probes far from the peak, long ones near it).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Literal

from scaleworthy.load.limit.driver import Driver, SearchStopped
from scaleworthy.load.limit.fit import Fit, Point, fit
from scaleworthy.load.limit.noise import is_near, learned_effects
from scaleworthy.load.limit.probe import Phase, Prober, Tried
from scaleworthy.load.limit.settings import SearchSettings
from scaleworthy.load.limit.shape import shape_of, warnings_of
from scaleworthy.load.result import Limit, Probe, Unit
from scaleworthy.series import Objective, Store

StoppedBy = Literal["found", "generator", "max-level", "time", "never-held", "interrupted"]
GENERATOR_SHARE = 0.8
_GENERATOR_BUSY = 0.5
_IDLE_BUSY = 0.25
_START = {"rate": 10.0, "users": 2.0}
_LOWEST = {"rate": 0.5, "users": 1.0}
_LOWER_MOST = 4
_FURTHER = 1.25
_FAR = 1.1
_GROWTH = 1.5
_SPARE = 1.25


def samples_least(objective: str, confidence: float) -> int:
    """Return the fewest samples from which the objective's quantile has an interval (order statistics); 0 for no quantile.

    The interval's ends are samples, so it needs q^n and (1 - q)^n below half of what *confidence* leaves.
    """
    q = Objective.parse(objective).expression.q
    if q is None or not 0 < q < 1:
        return 0
    return math.ceil(math.log((1 - confidence) / 2) / math.log(max(q, 1 - q)))


class Search:
    """One search on one driver."""

    def __init__(
        self,
        driver: Driver,
        store: Store,
        *,
        objectives: Sequence[str],
        unit: Unit = "rate",
        settings: SearchSettings | None = None,
        generator_max: float | None = None,
        requests_per_start: float = 1.0,
        connections_max: int | None = None,
        threads: int = 1,
        on_probe: Callable[[Probe], None] | None = None,
    ) -> None:
        self._settings = settings or SearchSettings()
        self._objectives = tuple(objectives)
        self._unit: Unit = unit
        self._generator_max = generator_max
        self._requests_per_start = requests_per_start
        self._on_probe = on_probe
        self._tried: list[Tried] = []
        self._samples_least = max((samples_least(text, self._settings.confidence) for text in objectives), default=0)
        self._prober = Prober(
            driver,
            store,
            objectives,
            self._settings,
            connections_max=connections_max,
            threads=threads,
            generator_busy_from=_GENERATOR_BUSY * (self._generator_bound() or 0.0),
        )

    def run(self) -> Limit:
        """Search, and return what was found; after a stop, what had been found until then."""
        confirmed = False
        try:
            stopped = self._bracket()
            if stopped is None:
                stopped = self._refine()
            if stopped in ("found", "time"):
                confirmed = self._confirm()
        except SearchStopped:
            stopped = "interrupted"
        return self._limit(stopped, confirmed=confirmed)

    # Bracket

    def _bracket(self) -> StoppedBy | None:
        settings = self._settings
        level = settings.start_level or _START[self._unit]
        if settings.level_max is not None:
            level = min(level, settings.level_max)
        halvings = 0
        while self._time_for(settings.warm_up_s + settings.probe_least_s):
            if (stopped := self._beyond(level)) is not None:
                return stopped
            tried = self._try(level, "bracket", most_s=self._bracket_s(level))
            if tried.generator_limited:
                return "generator"
            held, broke = self._sides()
            if held and self._failing() is not None:
                return None
            if not broke:
                level = self._next_up(tried.probe)
            elif held:  # it broke, but not surely so
                level = self._rounded(max(broke) * _FURTHER)
            elif level <= _LOWEST[self._unit] or halvings >= _LOWER_MOST:
                return "never-held"
            else:
                halvings += 1
                level = max(self._rounded(min(broke) / 4), _LOWEST[self._unit])
        return "time"

    def _bracket_s(self, level: float) -> int:
        """Seconds to bracket at *level*: at a low rate enough answers for an interval take longer than the settings say."""
        settings = self._settings
        if self._unit == "users":
            return settings.bracket_s
        enough_s = math.ceil(_SPARE * self._samples_least / (level * self._requests_per_start))
        left_s = self._left_s() - settings.warm_up_s
        return max(settings.bracket_s, min(enough_s, settings.refine_longest_s, left_s))

    def _sides(self) -> tuple[list[float], list[float]]:
        """Return the levels that held as far as they were seen, and those that did not."""
        judged = [item for item in self._tried if item.seen is not None]
        held = [item.probe.level for item in judged if self._held(item)]
        return held, [item.probe.level for item in judged if not self._held(item)]

    def _next_up(self, probe: Probe) -> float:
        """Twice the level; further while less than a quarter of one server is busy with it."""
        level = probe.level * 2
        if self._unit == "rate" and probe.in_flight_mean > 0:
            level = max(level, probe.level * _IDLE_BUSY / probe.in_flight_mean)
        highest = self._highest()
        if highest is not None and probe.level < highest:
            level = min(level, highest)
        return self._rounded(level)

    def _highest(self) -> float | None:
        bounds = [bound for bound in (self._settings.level_max, self._generator_bound()) if bound is not None]
        return min(bounds, default=None)

    def _generator_bound(self) -> float | None:
        """The level at which the generator would be at 80 % of what it can send; known for rates only."""
        if self._generator_max is None or self._unit != "rate":
            return None
        return GENERATOR_SHARE * self._generator_max / self._requests_per_start

    def _beyond(self, level: float) -> StoppedBy | None:
        bound = self._generator_bound()
        if bound is not None and level > bound * (1 + 1e-9):
            return "generator"
        if self._settings.level_max is not None and level > self._settings.level_max:
            return "max-level"
        last = self._tried[-1].probe if self._tried else None
        if self._unit == "users" and last is not None and self._generator_max is not None:
            return "generator" if last.requests_per_s > GENERATOR_SHARE * self._generator_max else None
        return None

    # Refine

    def _refine(self) -> StoppedBy:
        settings = self._settings
        most_s = float(settings.refine_s)
        while True:
            fitted = self._fit()
            level = self._in_doubt(fitted)
            if level is None or self._precise(fitted):
                return "found"
            left_s = self._left_s() - self._confirm_cost_s() - settings.warm_up_s
            if left_s < settings.probe_least_s:
                return "time"
            tried = self._try(level, "refine", most_s=round(min(most_s, left_s)))
            if tried.generator_limited:
                return "generator"
            if tried.probe.passed is None:
                most_s = min(most_s * _GROWTH, settings.refine_longest_s)

    def _in_doubt(self, fitted: Fit) -> float | None:
        """Return the level whose passing is nearest to a coin's toss; None where whole users leave nothing between."""
        estimate, level_least = fitted.estimate, _LOWEST[self._unit]
        held, broke = self._sides()
        low = max((level for level in held if level < min(broke)), default=0.0)
        lower, upper = fitted.interval(self._settings.confidence)
        if upper == math.inf:
            return self._rounded(max(broke) * _FURTHER)  # nothing broke surely
        if lower <= 0 and min(held, default=level_least) > level_least:
            return max(self._rounded(min(held) / _FURTHER), level_least)  # nothing held surely
        if estimate is None or min(broke) > _FAR * low > 0:
            estimate = (
                low + min(broke)
            ) / 2  # a curve bends: between far-apart probes its middle is worth more than a line's zero
        if self._unit == "users":
            level = round(estimate)
            high = min(broke)
            if high - low <= 1:
                return None
            return float(min(max(level, low + 1), high - 1)) if low < high else float(level)
        return self._rounded(estimate)

    def _precise(self, fitted: Fit) -> bool:
        """Whether the interval is narrow enough, and rests on probes close by on both sides rather than on interpolation."""
        estimate = fitted.estimate
        if estimate is None:
            return False
        low, high = fitted.interval(self._settings.confidence)
        reach = self._settings.precision * estimate
        held, broke = self._sides()
        close = (
            max(held, default=0.0) >= estimate - 2 * reach and min(broke, default=estimate * 9) <= estimate + 2 * reach
        )
        return close and (high - low) / 2 <= reach

    # Confirm

    def _confirm(self) -> bool:
        if not self._settings.confirm_s:
            return False
        for _ in range(2):
            fitted = self._fit()
            low, _ = fitted.interval(self._settings.confidence)
            failing = self._failing()
            held = [level for level in self._sides()[0] if failing is None or level < failing]
            surely = self._passing() or max(held, default=0.0)
            level = self._rounded_down(low) if 0 < low < math.inf else surely
            if failing is not None and level >= failing:
                level = surely
            most_s = min(self._settings.confirm_s, self._left_s() - self._settings.warm_up_s)
            if level <= 0 or most_s < max(self._settings.confirm_s // 2, 1):
                return False
            if any(item.probe.phase == "confirm" and item.probe.level <= level for item in self._tried):
                return False
            tried = self._try(level, "confirm", most_s=most_s)
            if self._held(tried):
                return True
        return False

    def _confirm_cost_s(self) -> int:
        return self._settings.confirm_s + self._settings.warm_up_s if self._settings.confirm_s else 0

    # Together

    def _try(self, level: float, phase: Phase, *, most_s: int) -> Tried:
        least_s = {"bracket": self._settings.probe_least_s, "refine": self._settings.refine_s, "confirm": most_s}[phase]
        least_s = min(least_s, most_s)
        tried = self._prober.try_level(level, phase, most_s=most_s, least_s=least_s, effects=self._effects(level))
        self._tried.append(tried)
        if self._on_probe is not None:
            self._on_probe(tried.probe)
        return tried

    @staticmethod
    def _held(tried: Tried) -> bool:
        """Whether a probe held as far as it was seen: surely, or by its value where it stayed undecided."""
        if tried.probe.passed is not None:
            return tried.probe.passed
        return tried.seen is not None and bool(tried.seen.margins) and tried.value > 0

    def _effects(self, level: float) -> dict[str, float]:
        """Return the design effects that a probe at *level* shares with those near the limit."""
        broke = min((item.probe.level for item in self._tried if item.seen and not self._held(item)), default=None)
        if not is_near(level, broke=broke):
            return {}
        return learned_effects([item.seen for item in self._tried if item.seen is not None], broke=broke)

    def _points(self) -> list[Point]:
        found = [item.point(self._effects(item.probe.level)) for item in self._tried]
        return [point for point in found if point is not None]

    def _probes(self) -> tuple[Probe, ...]:
        """Return every probe, judged by what is known of the noise by now."""
        z = self._prober.z
        return tuple(item.judged_again(z=z, effects=self._effects(item.probe.level)) for item in self._tried)

    def _fit(self) -> Fit:
        return fit(self._points(), seed=self._settings.seed)

    def _failing(self) -> float | None:
        return min((probe.level for probe in self._probes() if probe.passed is False), default=None)

    def _passing(self) -> float | None:
        """The highest level that surely held, or was held to the end of the confirmation, below the lowest that failed."""
        failing = self._failing()
        held = [
            probe.level
            for probe, tried in zip(self._probes(), self._tried, strict=True)
            if probe.passed or (probe.phase == "confirm" and probe.passed is None and tried.value > 0)
        ]
        return max((level for level in held if failing is None or level < failing), default=None)

    def _left_s(self) -> int:
        return self._settings.longest_s - self._prober.elapsed_s

    def _time_for(self, seconds: int) -> bool:
        return self._left_s() >= seconds

    def _rounded(self, level: float) -> float:
        """Return a level that people can read: whole users, rates with four digits."""
        return float(max(round(level), 1)) if self._unit == "users" else float(f"{level:.4g}")

    def _rounded_down(self, level: float) -> float:
        if self._unit == "users":
            return float(max(int(level), 1))
        rounded = float(f"{level:.3g}")
        return rounded if rounded <= level else float(f"{level * 0.995:.3g}")

    def _limit(self, stopped: StoppedBy, *, confirmed: bool) -> Limit:
        probes = self._probes()
        passing, failing = self._passing(), self._failing()
        estimate, interval = None, None
        if stopped in ("found", "time") and self._points():
            fitted = self._fit()
            low, high = fitted.interval(self._settings.confidence)
            estimate = fitted.estimate
            interval = (low, high) if low > 0 and high < float("inf") else None
        judged = [probe for probe in probes if probe.passed is not None or probe.margin]
        near = min(judged, key=lambda probe: (probe.margin > 0, abs(probe.margin)), default=None)
        highest = failing if failing is not None else passing
        generator_level = (
            self._generator_max / self._requests_per_start if self._generator_max and self._unit == "rate" else None
        )
        return Limit(
            unit=self._unit,
            objectives=self._objectives,
            passing=passing,
            failing=failing,
            estimate=estimate,
            interval=interval,
            binding=near.binding if near is not None else "",
            shape=shape_of(probes, passing=passing, failing=failing),
            generator_max=generator_level,
            headroom=generator_level / highest if generator_level and highest else None,
            monotonic=not (reversed_levels := self._reversed()),
            stopped_by=stopped,
            confirmed=confirmed,
            seconds=float(self._prober.elapsed_s),
            probes=probes,
            reasons=warnings_of(probes, stopped=stopped, confirmed=confirmed, reversed_levels=reversed_levels),
        )

    def _reversed(self) -> tuple[float, float] | None:
        """Return a level that surely failed below one that surely passed, if there is such a pair."""
        z = 3.0
        points = self._points()
        failed = [point.level for point in points if point.margin + z * point.error < 0]
        passed = [point.level for point in points if point.margin - z * point.error > 0]
        if failed and passed and min(failed) < max(passed):
            return min(failed), max(passed)
        return None
