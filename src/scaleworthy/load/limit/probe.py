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
from scaleworthy.load.limit.margin import Judge, Margin, binding, decide
from scaleworthy.load.limit.noise import Noise, Seen
from scaleworthy.load.limit.settings import SearchSettings
from scaleworthy.load.result import Probe, quantiles_of
from scaleworthy.load.second import Second, summed
from scaleworthy.series import Objective, Store

Phase = Literal["bracket", "refine", "confirm", "sudden"]
LOST = -0.5
"""A probe that was cut short for instability failed by at least this margin, whatever its latency was by then."""
LOST_ERROR = 0.1
COMFORTABLE = 0.3
_CHANCE = 0.25
_THREADS_BUSY = 0.5


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

    @property
    def seconds(self) -> int:
        """How long it was judged."""
        return self.probe.end_s - self.probe.start_s

    @property
    def few(self) -> bool:
        """Whether an objective had too few samples to be decided, or none."""
        if self.seen is None or self.seen.lost:
            return False
        return not self.seen.margins or any(margin.few for margin in self.seen.margins)

    @property
    def held(self) -> bool:
        """Whether it held as far as it was seen: surely, or by its value where it stayed undecided."""
        if self.probe.passed is not None:
            return self.probe.passed
        return self.seen is not None and bool(self.seen.margins) and self.value > 0

    def judged_again(self, *, z: float, noise: Noise) -> Probe:
        """Return the probe, held or not by what the whole search has learned of the noise."""
        if self.seen is None or self.seen.lost or not self.seen.margins:
            return self.probe
        errors = [noise.error_of(margin, self.seen.seconds) for margin in self.seen.margins]
        return replace(self.probe, passed=decide(self.seen.margins, errors, z=z))

    def point(self, noise: Noise) -> Point | None:
        """Return the probe as a point of the fit; None where nothing could be judged."""
        if self.seen is None:
            return None
        if self.seen.lost:
            return Point(self.seen.level, min(self.value, LOST), LOST_ERROR, cut=True)
        if not self.seen.margins:
            return None
        decisive = binding(self.seen.margins)
        error = noise.error_of(decisive, self.seen.seconds)
        return Point(self.seen.arrived or self.seen.level, decisive.value, error)


class Prober:
    """Tries levels on a driver, writing every second into a store.

    `generator_busy_from_per_s` is the rate of requests from which lateness would be the generator's own. With `counts_arrivals` every
    planned request is an arrival at the level that was asked for, so that a probe can be placed where chance had it.
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
        generator_busy_from_per_s: float = 0.0,
        counts_arrivals: bool = False,
    ) -> None:
        self._driver = driver
        self._store = store
        self._settings = settings
        self._judge = Judge(objectives, store, confidence=settings.confidence)
        self._parsed = [Objective.parse(text) for text in objectives]
        self._connections_max = connections_max
        self._threads = threads
        self._generator_busy_from_per_s = generator_busy_from_per_s
        self._counts_arrivals = counts_arrivals
        self._usual_s: float | None = None
        self.elapsed_s = 0

    @property
    def z(self) -> float:
        """How many standard errors the settings' confidence is wide."""
        return self._judge.z

    def try_level(self, level: float, phase: Phase, *, most_s: int, least_s: int, noise: Noise) -> Tried:
        """Try *level* for *least_s* to *most_s* judged seconds; end as soon as it is decided or lost.

        On the way up a level that holds comfortably is left, decided or not: a higher one will decide.
        """
        watch = EarlyStop(self._parsed, usual_s=self._usual_s)
        lost: str | None = None
        self._driver.set_level(level)
        warm_up_s = 0 if phase == "sudden" else self._settings.warm_up_s
        for _ in range(warm_up_s):
            second = self._next()
            lost = lost or watch.reason_to_stop(second)
        first = last = -1
        seconds = 0
        margins: list[Margin] | None = None
        passed: bool | None = None
        while lost is None and seconds < most_s:
            second = self._next()
            first, last = (second.second if first < 0 else first), second.second
            lost = watch.reason_to_stop(second)
            seconds = last - first + 1
            if seconds >= least_s:
                margins = self._judge.margins((first, last + 1))
                # Looking every second would decide too often by chance: early looks need more, by the share of time spent.
                z = self._judge.z * math.sqrt(most_s / seconds)
                passed = self._decide(margins, seconds, noise, z=z) if margins else None
                if phase in ("bracket", "refine") and self._enough(phase, margins, passed):
                    break
        if first < 0:  # lost during warm-up: what was seen then is all there is
            first, last = second.second - warm_up_s + 1, second.second
        window = (first, last + 1)
        if lost is not None:
            passed, margins = False, self._judge.margins(window)
        elif margins:
            passed = self._decide(margins, seconds, noise, z=self._judge.z) if passed is None else passed
        comfortable = lost is None and bool(margins) and binding(margins or ()).value > COMFORTABLE
        recovery_s = self._drain(needed=(passed is not True and not comfortable) or phase == "sudden")
        return self._tried(level, phase, window, margins, passed, lost, recovery_s)

    def rest(self, level: float, *, seconds: int) -> None:
        """Let *level* run for so many seconds that nobody judges."""
        self._driver.set_level(level)
        for _ in range(seconds):
            self._next()

    @staticmethod
    def _enough(phase: Phase, margins: list[Margin] | None, passed: bool | None) -> bool:
        if passed is not None:
            return True
        return phase == "bracket" and margins is not None and binding(margins).value > COMFORTABLE

    @staticmethod
    def _decide(margins: Sequence[Margin], seconds: int, noise: Noise, *, z: float) -> bool | None:
        return decide(margins, [noise.error_of(margin, seconds) for margin in margins], z=z)

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
            if second.in_flight + second.waiting <= 0:
                return float(waited)
        return None

    def _arrived(self, level: float, planned_per_s: float) -> float | None:
        """Return the level that chance brought: of Poisson arrivals, 20 s at 170 per second are seldom 3,400."""
        if not self._counts_arrivals or not planned_per_s or abs(planned_per_s / level - 1) > _CHANCE:
            return None
        return planned_per_s

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
        planned_per_s = totals["planned"] / seconds
        arrived = self._arrived(level, planned_per_s)
        seen: Seen | None = Seen(level, seconds, margins or (), lost is not None, arrived, planned_per_s)
        # Well below what the generator can send, lateness is the machine's: the target on it left too little CPU. What it can send was
        # measured with plain HTTP/1.1; where TLS or frames make requests dearer, its threads are busy before.
        cpu_share = store.total("generator.cpu_seconds", window=window) / seconds / self._threads
        busy = planned_per_s >= self._generator_busy_from_per_s or cpu_share >= _THREADS_BUSY
        limited = generator.limited and passed is not True and busy
        if limited:
            passed, lost, seen = None, "the generator fell behind", None
        if lost is None and service.count:
            mean_s = service.sum_ns / 1e9 / service.count
            self._usual_s = min(mean_s, self._usual_s or mean_s)
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
            connections_mean=store.mean("load.connections", window=window) or 0.0,
            in_flight_mean=service.sum_ns / 1e9 / seconds,
            passed=passed,
            binding=decisive.objective if decisive else (str(self._parsed[0])),
            margin=margin,
            ended_early=lost,
            recovery_s=recovery_s,
            phase=phase,
        )
        return Tried(probe, seen, limited)
