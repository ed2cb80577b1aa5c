"""Try one level: warm up, judge second by second until it is decided, then let the target recover."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from scaleworthy.load.generator import judge_generator
from scaleworthy.load.limit.driver import Driver
from scaleworthy.load.limit.early_stop import EarlyStop
from scaleworthy.load.limit.fit import Point
from scaleworthy.load.limit.margin import Judge, Margin, binding, decide, error_of
from scaleworthy.load.limit.noise import Seen
from scaleworthy.load.limit.settings import SearchSettings
from scaleworthy.load.result import Probe, quantiles_of
from scaleworthy.load.second import Second, summed
from scaleworthy.series import Objective, Store

Phase = Literal["bracket", "refine", "confirm"]
LOST = -0.5
LOST_ERROR = 0.1
"""A probe that was cut short for instability failed by at least this margin, whatever its latency was by then."""


@dataclass(frozen=True, slots=True)
class Tried:
    """A probe with what the search needs of it beside the result: every objective's margin, to judge it again later."""

    probe: Probe
    seen: Seen | None
    generator_limited: bool

    @property
    def value(self) -> float:
        """The margin of the objective that decides, as the search uses it."""
        return binding(self.seen.margins).value if self.seen is not None and self.seen.margins else 0.0

    def judged_again(self, *, z: float, effects: dict[str, float]) -> Probe:
        """Return the probe, held or not by what the whole search has learned of the noise."""
        if self.seen is None or self.seen.lost:
            return self.probe
        return replace(self.probe, passed=decide(self.seen.margins, z=z, design_effects=effects))

    def point(self, effects: dict[str, float]) -> Point | None:
        """Return the probe as a point of the fit; None where nothing could be judged."""
        if self.seen is None:
            return None
        if self.seen.lost:
            return Point(self.seen.level, min(self.value, LOST), LOST_ERROR)
        if not self.seen.margins:
            return None
        decisive = binding(self.seen.margins)
        return Point(self.seen.level, decisive.value, error_of(decisive, effects))


class Prober:
    """Tries levels on a driver, writing every second into a store.

    `generator_busy_from` is the level from which lateness would be the generator's own.
    """

    def __init__(
        self,
        driver: Driver,
        store: Store,
        objectives: Sequence[str],
        settings: SearchSettings,
        *,
        connections_max: int | None,
        threads: int,
        generator_busy_from: float = 0.0,
    ) -> None:
        self._driver = driver
        self._store = store
        self._settings = settings
        self._judge = Judge(objectives, store, confidence=settings.confidence)
        self._parsed = [Objective.parse(text) for text in objectives]
        self._connections_max = connections_max
        self._threads = threads
        self._generator_busy_from = generator_busy_from
        self._idle_in_flight = 0.0
        self.elapsed_s = 0

    @property
    def z(self) -> float:
        """How many standard errors the settings' confidence is wide."""
        return self._judge.z

    def try_level(self, level: float, phase: Phase, *, most_s: int, least_s: int, effects: dict[str, float]) -> Tried:
        """Try *level* for *least_s* to *most_s* judged seconds; end as soon as it is decided or lost."""
        self._driver.set_level(level)
        watch = EarlyStop(self._parsed)
        lost: str | None = None
        for _ in range(self._settings.warm_up_s):
            second = self._next()
            lost = lost or watch.reason_to_stop(second)
        first = second.second + 1 if self._settings.warm_up_s else self._next().second
        last = first - 1
        margins: list[Margin] | None = None
        passed: bool | None = None
        while lost is None and last - first + 1 < most_s:
            second = self._next()
            last = second.second
            lost = watch.reason_to_stop(second)
            seconds = last - first + 1
            if seconds >= least_s:
                margins = self._judge.margins((first, last + 1))
                # Looking every second would decide too often by chance: early looks need more, by the share of time spent.
                z = self._judge.z * math.sqrt(most_s / seconds)
                passed = decide(margins, z=z, design_effects=effects) if margins else None
                if passed is not None and phase != "confirm":
                    break
        if last < first:  # lost during warm-up: what was seen then is all there is
            first = last - self._settings.warm_up_s + 1
        window = (first, last + 1)
        if lost is not None:
            passed, margins = False, self._judge.margins(window)
        elif margins:
            passed = decide(margins, z=self._judge.z, design_effects=effects) if passed is None else passed
        recovery_s = self._drain(needed=passed is not True)
        return self._tried(level, phase, window, margins, passed, lost, recovery_s)

    def _next(self) -> Second:
        at, slices = self._driver.next_second()
        self._store.append(at, slices)
        self.elapsed_s += 1
        return summed(at, slices)

    def _drain(self, *, needed: bool) -> float | None:
        """Start nothing until what is under way is back at what it was when idle; return the seconds it took."""
        if not needed:
            return 0.0
        self._driver.set_level(0)
        for waited in range(1, self._settings.drain_longest_s + 1):
            second = self._next()
            if second.in_flight + second.waiting <= self._idle_in_flight:
                return float(waited)
        return None

    def _tried(
        self,
        level: float,
        phase: Phase,
        window: tuple[int, int],
        margins: list[Margin] | None,
        passed: bool | None,
        lost: str | None,
        recovery_s: float | None,
    ) -> Tried:
        store, seconds = self._store, max(window[1] - window[0], 1)
        response = store.histogram("load.response_time", window=window)
        service = store.histogram("load.service_time", window=window)
        totals = {
            name: round(store.total(f"load.{name}", window=window))
            for name in ("planned", "answered", "failed", "not_started")
        }
        generator = judge_generator(store, window, connections_max=self._connections_max, threads=self._threads)
        decisive = binding(margins) if margins else None
        margin = decisive.ratio if decisive else 0.0
        seen: Seen | None = Seen(level, window[1] - window[0], margins or (), lost is not None)
        # Well below what the generator can send, lateness is the machine's: the target on it left too little CPU.
        limited = generator.limited and passed is not True and level >= self._generator_busy_from
        if limited:
            passed, lost, seen = None, "the generator fell behind", None
        lag = store.histogram("load.lag", window=window)
        probe = Probe(
            level=level,
            start_s=window[0],
            end_s=window[1],
            **totals,
            requests_per_s=totals["answered"] / seconds,
            response=quantiles_of(response),
            service=quantiles_of(service),
            lag_p99_ns=lag.quantile(0.99),
            in_flight_mean=service.sum_ns / 1e9 / seconds,
            passed=passed,
            binding=decisive.objective if decisive else (str(self._parsed[0])),
            margin=margin,
            ended_early=lost,
            recovery_s=recovery_s,
            phase=phase,
        )
        return Tried(probe, seen, limited)
