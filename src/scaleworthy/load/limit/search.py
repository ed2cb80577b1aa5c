"""Decide what to try next, and when enough is known.

1. *Bracket*: double from a low level until a probe fails; a nearly idle target is jumped ahead on, by Little's law.
2. *Refine*: fit all probes, try where passing is most in doubt, longer each time that stays undecided, until the interval of the
   limit is narrow enough or the time is used.
3. *Confirm*: hold the lower end of that interval.
4. *Sudden*: from almost nothing straight to the level that held, because a gradual limit says little of a sudden one.

Design after Shivam et al., USENIX ATC 2008 (short rough probes far from the peak, long ones near it).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from scaleworthy.load.limit.conclusion import StoppedBy, conclude
from scaleworthy.load.limit.driver import Driver, SearchStopped
from scaleworthy.load.limit.evidence import Evidence
from scaleworthy.load.limit.fit import Fit
from scaleworthy.load.limit.levels import Levels
from scaleworthy.load.limit.margin import samples_least
from scaleworthy.load.limit.probe import Phase, Prober, Tried
from scaleworthy.load.limit.settings import SearchSettings
from scaleworthy.load.limit.sudden import Sudden
from scaleworthy.load.result import Limit, Probe, Unit
from scaleworthy.series import Objective, Store

_LOWER_MOST = 4
_FURTHER = 1.25
_FAR = 1.1
_GROWTH = 1.5
_SPARE = 1.25
_RECOVERIES_S = 4


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
        counts_arrivals: bool = False,
        on_probe: Callable[[Probe], None] | None = None,
    ) -> None:
        self._settings = settings = settings or SearchSettings()
        self._objectives = tuple(objectives)
        self._levels = Levels(unit, settings, generator_max, requests_per_start)
        self._requests_per_start = requests_per_start
        self._on_probe = on_probe
        quantiles = [Objective.parse(text).expression.q for text in objectives]
        self._samples_least = max(
            (samples_least(q, settings.confidence) for q in quantiles if q is not None), default=0
        )
        self._prober = Prober(
            driver,
            store,
            objectives,
            settings,
            connections_max=connections_max,
            threads=threads,
            generator_busy_from_per_s=self._levels.generator_busy_from_per_s,
            counts_arrivals=counts_arrivals,
        )
        self.evidence = Evidence(z=self._prober.z, confidence=settings.confidence, seed=settings.seed)
        self._sudden = Sudden(self._prober, settings, self._levels, on_probe)

    def run(self) -> Limit:
        """Search, and return what was found; after a stop, what had been found until then."""
        confirmed = False
        stopped: StoppedBy | None = None
        try:
            stopped = self._bracket() or self._refine()
            if stopped in ("found", "time"):
                confirmed = self._confirm()
            self._sudden.run(self.evidence)
        except SearchStopped:
            stopped = stopped or "interrupted"
        return conclude(
            self.evidence,
            self._sudden,
            self._levels,
            objectives=self._objectives,
            stopped=stopped,
            confirmed=confirmed,
            seconds=self._prober.elapsed_s,
        )

    # Bracket

    def _bracket(self) -> StoppedBy | None:
        settings, levels = self._settings, self._levels
        level, halvings = levels.first, 0
        while self._left_s() >= settings.warm_up_s + settings.probe_least_s:
            if (stopped := levels.beyond(level, self.evidence.last)) is not None:
                return stopped
            tried = self._try(level, "bracket", most_s=self._bracket_s(level))
            if tried.generator_limited:
                return "generator"
            held, broke = self.evidence.sides()
            if held and self.evidence.failing() is not None:
                return None
            if not tried.held and tried.few and self._bracket_s(level) > tried.seconds:
                continue  # by chance, as like as not: once more, until there are enough answers to tell
            if tried.held and level >= max(broke, default=0.0):
                level = levels.next_up(tried.probe)
            elif held:  # it broke, but not surely so
                level = levels.further(max(broke), times=_FURTHER)
            elif level <= levels.lowest or halvings >= _LOWER_MOST:
                return "never-held"
            else:
                halvings += 1
                level = max(levels.rounded(min(broke) / 4), levels.lowest)
        return "time"

    def _bracket_s(self, level: float) -> int:
        """Seconds to bracket at *level*: at a low rate enough answers for an interval take longer than the settings say."""
        settings, last = self._settings, self.evidence.last
        per_level = self._requests_per_start
        if self._levels.unit != "rate":  # users: as much as those before asked
            per_level = last.requests_per_s / last.level if last is not None else 0.0
        if not per_level:
            return settings.bracket_s if last is None else settings.refine_longest_s  # nobody asked yet
        enough_s = math.ceil(_SPARE * self._samples_least / (level * per_level))
        left_s = self._left_s() - settings.warm_up_s
        return max(settings.bracket_s, min(enough_s, settings.refine_longest_s, left_s))

    # Refine

    def _refine(self) -> StoppedBy:
        settings = self._settings
        most_s = float(settings.refine_s)
        while True:
            fitted = self.evidence.fit()
            level = self._in_doubt(fitted)
            if level is None or self._precise(fitted):
                return "found"
            left_s = self._left_s() - self._confirm_cost_s() - self._sudden_cost_s() - settings.warm_up_s
            if left_s < settings.probe_least_s:
                return "time"
            tried = self._try(level, "refine", most_s=round(min(most_s, left_s)))
            if tried.generator_limited:
                return "generator"
            if tried.probe.passed is None:
                most_s = min(most_s * _GROWTH, settings.refine_longest_s)

    def _in_doubt(self, fitted: Fit) -> float | None:
        """Return the level whose passing is nearest to a coin's toss; None where whole users leave nothing between."""
        levels = self._levels
        held, broke = self.evidence.sides()
        low = max((level for level in held if level < min(broke)), default=0.0)
        lower, upper = fitted.interval(self._settings.confidence)
        if upper == math.inf:
            return levels.further(max(broke), times=_FURTHER)  # nothing broke surely
        if lower <= 0 and held:
            # Nothing held surely: stay where it held with room to spare, longer; where there is no such level, go lower.
            stay = self.evidence.comfortable(below=min(broke))
            return stay or max(levels.rounded(min(held) / _FURTHER), levels.lowest)
        estimate = fitted.estimate
        if estimate is None or min(broke) > _FAR * low > 0:
            # A curve bends: between far-apart probes its middle is worth more than a line's zero.
            estimate = (low + min(broke)) / 2
        if levels.unit == "rate":
            return levels.rounded(estimate)
        high, level = min(broke), levels.rounded(estimate)
        if low < high <= low + 1:  # neighbours: there is no level between them, but either may have been chance
            return None if self.evidence.surely(low, high) else min(max(level, low), high)
        return min(max(level, low + 1), high - 1) if low < high else level

    def _precise(self, fitted: Fit) -> bool:
        """Whether the interval is narrow enough, and rests on probes close by on both sides rather than on interpolation."""
        estimate = fitted.estimate
        if estimate is None:
            return False
        low, high = fitted.interval(self._settings.confidence)
        reach = self._settings.precision * estimate
        held, broke = self.evidence.sides()
        close = (
            max(held, default=0.0) >= estimate - 2 * reach and min(broke, default=estimate * 9) <= estimate + 2 * reach
        )
        return close and (high - low) / 2 <= reach

    # Confirm

    def _confirm(self) -> bool:
        """Hold the lower end of the interval; lower once more where that breaks."""
        settings = self._settings
        if not settings.confirm_s:
            return False
        for _ in range(2):
            level = self._level_to_hold()
            most_s = min(settings.confirm_s, self._left_s() - self._sudden.cost_s - settings.warm_up_s)
            if level <= 0 or most_s < max(settings.confirm_s // 2, 1):
                return False
            if any(item.probe.phase == "confirm" and item.probe.level <= level for item in self.evidence.tried):
                return False
            if self._try(level, "confirm", most_s=most_s).held:
                return True
        return False

    def _level_to_hold(self) -> float:
        low, _ = self.evidence.fit().interval(self._settings.confidence)
        failing = self.evidence.failing()
        held = [level for level in self.evidence.sides()[0] if failing is None or level < failing]
        surely = self.evidence.passing() or max(held, default=0.0)
        level = self._levels.rounded_down(low) if 0 < low < math.inf else surely
        return surely if failing is not None and level >= failing else level

    def _confirm_cost_s(self) -> int:
        return self._settings.confirm_s + self._settings.warm_up_s if self._settings.confirm_s else 0

    def _sudden_cost_s(self) -> int:
        """What to leave for the sudden step and for the recoveries before it."""
        return self._sudden.cost_s + _RECOVERIES_S if self._sudden.cost_s else 0

    # Together

    def _try(self, level: float, phase: Phase, *, most_s: int) -> Tried:
        settings = self._settings
        least_s = min({"bracket": settings.probe_least_s, "refine": settings.refine_s}.get(phase, most_s), most_s)
        noise = self.evidence.noise(level)
        tried = self._prober.try_level(level, phase, most_s=most_s, least_s=least_s, noise=noise)
        self.evidence.add(tried)
        if self._on_probe is not None:
            self._on_probe(tried.probe)
        return tried

    def _left_s(self) -> int:
        return self._settings.longest_s - self._prober.elapsed_s
