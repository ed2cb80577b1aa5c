"""The result of a search, from what its probes showed."""

from __future__ import annotations

import math
from typing import Literal

from scaleworthy.load.limit.evidence import Evidence, binding_of
from scaleworthy.load.limit.levels import Levels
from scaleworthy.load.limit.shape import connection_warnings, shape_of, sudden_warnings, warnings_of
from scaleworthy.load.limit.sudden import Sudden
from scaleworthy.load.result import Limit, Unit

StoppedBy = Literal["found", "generator", "max-level", "time", "never-held", "interrupted"]


def conclude(
    evidence: Evidence,
    sudden: Sudden,
    levels: Levels,
    *,
    objectives: tuple[str, ...],
    stopped: StoppedBy,
    confirmed: bool,
    seconds: int,
) -> Limit:
    """Return the limit, with everything a reader must know before using it."""
    probes = evidence.probes()
    passing, failing = evidence.passing(), evidence.failing()
    estimate, interval = None, None
    if stopped in ("found", "time") and evidence.points():
        fitted = evidence.fit()
        low, high = fitted.interval(levels.settings.confidence)
        estimate = fitted.estimate
        interval = (low, high) if low > 0 and high < math.inf else None
    highest = failing if failing is not None else passing
    reversed_levels = evidence.reversed_levels()
    reasons = warnings_of(probes, stopped=stopped, confirmed=confirmed, reversed_levels=reversed_levels)
    return Limit(
        unit=levels.unit,
        objectives=objectives,
        passing=passing,
        failing=failing,
        estimate=estimate,
        interval=interval,
        binding=binding_of(probes),
        shape=shape_of(probes, passing=passing, failing=failing),
        generator_max=levels.generator_max,
        headroom=levels.generator_max / highest if levels.generator_max and highest else None,
        monotonic=reversed_levels is None,
        stopped_by=stopped,
        confirmed=confirmed,
        seconds=float(seconds),
        probes=probes,
        reasons=reasons
        + connection_warnings(probes, unit=levels.unit)
        + sudden_warnings(passing=passing, held=sudden.passing, broke=sudden.failing),
        sudden_passing=sudden.passing,
        sudden_failing=sudden.failing,
        sudden=tuple(item.probe for item in sudden.tried),
    )


def untried(unit: Unit, objectives: tuple[str, ...]) -> Limit:
    """Return the result of a search that was stopped before its first probe."""
    return Limit(
        unit=unit,
        objectives=objectives,
        passing=None,
        failing=None,
        estimate=None,
        interval=None,
        binding="",
        shape="unknown",
        generator_max=None,
        headroom=None,
        monotonic=True,
        stopped_by="interrupted",
        confirmed=False,
        seconds=0.0,
        probes=(),
        reasons=("the search was stopped while the generator was measured: the target was not loaded",),
    )
