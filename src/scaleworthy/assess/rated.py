"""Gather the numbers that the scores are made of; scores.py says how they count."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from scaleworthy.assess.measure import Measurement
from scaleworthy.assess.scores import Reach, ScoreInputs
from scaleworthy.capacity import Assumptions, Capacity, GrowthNeed
from scaleworthy.finding import Finding
from scaleworthy.series import Store


def score_inputs(
    store: Store,
    measured: Measurement,
    capacity: Capacity | None,
    *,
    assumptions: Assumptions,
    findings: Sequence[Finding],
    audited: bool,
    gaps: int,
) -> ScoreInputs:
    """Return the inputs for the state that *measured* describes; *findings* are those still open in it."""
    sizes = {size.name: assumptions.peak_per_s(size) for size in assumptions.sizes}
    now = sizes.get("baseline", measured.baseline_per_s)
    limit = measured.limit
    wrong = [finding for finding in findings if finding.verdict in ("fail", "warn")]
    law = capacity.usl.model if capacity and capacity.usl else None
    objectives = measured.baseline.get("objectives") or []
    started = measured.baseline.get("started") or 0
    return ScoreInputs(
        limit_per_s=0.0 if limit.stopped_by == "never-held" else capacity.limit_per_s if capacity else None,
        need_now_per_s=now,
        need_100x_per_s=sizes.get("100×", 100 * now),
        peak_per_s=now,
        shape=limit.shape,
        sigma=law.sigma if law else None,
        kappa=law.kappa if law else None,
        findings_high=sum(f.impact_level == "high" for f in wrong) if audited else None,
        findings_medium=sum(f.impact_level == "medium" for f in wrong) if audited else None,
        objectives_held_ratio=sum(o["held"] is True for o in objectives) / len(objectives) if objectives else None,
        failed_ratio=(measured.baseline.get("failed") or 0) / started if started else None,
        recovery_s=_recovery_s(measured),
        unsteadiness=_unsteadiness(store, measured),
        reach=tuple((need.size.name, _reach(need, capacity)) for need in capacity.growth[1:]) if capacity else (),
        cost_per_user_ratio=_cost_ratio(capacity.growth) if capacity else None,
        gaps=gaps,
    )


def _recovery_s(measured: Measurement) -> float | None:
    """Return the longest recovery after a probe that failed; infinite when one never recovered; None when none failed."""
    times = [
        probe.recovery_s if probe.recovery_s is not None else math.inf
        for probe in measured.limit.probes
        if probe.passed is False
    ]
    return max(times, default=None)


def _unsteadiness(store: Store, measured: Measurement) -> float | None:
    _, medians = store.quantile_per_second("load.response_time", 0.5, window=measured.baseline_window)
    return float(np.std(medians) / np.mean(medians)) if medians.size >= 3 and np.mean(medians) > 0 else None


def _reach(need: GrowthNeed, capacity: Capacity) -> Reach:
    if capacity.limit_per_s is not None and need.requests_per_s <= capacity.limit_per_s:
        return "within the measured limit"
    return "with more servers" if need.reachable else "out of reach"


def _cost_ratio(growth: Sequence[GrowthNeed]) -> float | None:
    costs = {need.size.name: need.cost_per_user for need in growth}
    now, then = costs.get("baseline"), costs.get("100×")
    return then / now if now and then else None
