"""Fit the Universal Scalability Law, say how sure the fit is, and which load to measure next.

Question: what do a few (workers, throughput) points say about the peak, and do they say enough?
Method:   weighted non-linear least squares within 0 ≤ σ < 1, κ ≥ 0; λ is eliminated (it enters linearly), so that two
          parameters are searched. Intervals by profile: every value whose best fit is not significantly worse (F test).
Units:    workers, or requests in flight; requests per second.
Why:      from points up to an eighth of the peak with 1 % noise, 4 fits in 10 see no peak at all. A fit without its
          interval is a guess; the interval, and the next load that narrows it, are what a reader can use.
Source:   D. M. Bates, D. G. Watts, Nonlinear Regression Analysis, 1988 (profile intervals, c-optimal next point).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from scaleworthy.capacity.laws import CapacityError
from scaleworthy.capacity.usl import Usl
from scaleworthy.capacity.usl_profile import Array, Columns, Profiles
from scaleworthy.units import three_digits

POINTS_MIN = 4
REACH_MOST = 2.0
"""How far beyond the highest load measured a next load is advised: each step further risks the service more."""


@dataclass(frozen=True, slots=True)
class Point:
    """One measured load: workers (or requests in flight) above 0, throughput above 0, and how much it counts."""

    workers: float
    rate_per_s: float
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class NextLoad:
    """The load worth measuring next: how many workers, and why."""

    workers: float
    why: str


@dataclass(frozen=True, slots=True)
class UslFit:
    """A fitted law with what it rests on.

    Attributes:
        residuals_per_s: Measured minus modelled, in the order of the points.
        residual_sd_per_s: Their standard deviation, with the degrees of freedom of the fit.
        peak_interval: 95 % interval of N*; its upper end is None when the points do not rule out endless scaling.
        rate_max_interval_per_s: 95 % interval of the highest throughput; upper end None likewise.
        warnings: What a reader must know before quoting the fit.
    """

    model: Usl
    points: tuple[Point, ...]
    residuals_per_s: tuple[float, ...]
    residual_sd_per_s: float
    sigma_interval: tuple[float, float]
    kappa_interval: tuple[float, float]
    peak_interval: tuple[float, float | None]
    rate_max_interval_per_s: tuple[float, float | None]
    next_load: NextLoad
    warnings: tuple[str, ...]


def fit_usl(points: Sequence[Point], *, confidence: float = 0.95) -> UslFit:
    """Return the law that fits *points* best, with intervals and the next load worth measuring.

    Raises:
        CapacityError: Fewer than four different loads (three parameters leave nothing to judge the fit by), or a point
            that is not above zero; every problem is named.
    """
    _refuse(points)
    data = Columns(
        np.array([p.workers for p in points]),
        np.array([p.rate_per_s for p in points]),
        np.array([p.weight for p in points]),
    )
    sigma, kappa = data.best()
    rate_one, sse = data.profile(np.array([sigma]), np.array([kappa]))
    model = Usl(sigma, kappa, float(rate_one[0]))
    freedom = len(points) - 3
    sd = math.sqrt(float(sse[0]) / freedom / float(data.weight.mean()))
    least = max(float(sse[0]), data.rounding())
    allowed = least * (1 + float(stats.f.ppf(confidence, 1, freedom)) / freedom)
    bounds = Profiles(data, model, allowed)
    residuals = data.rate - np.array([model.throughput(float(n)) for n in data.workers])
    peak, sigma_interval, kappa_interval = bounds.peak(), bounds.sigma(), bounds.kappa()
    return UslFit(
        model=model,
        points=tuple(points),
        residuals_per_s=tuple(float(r) for r in residuals),
        residual_sd_per_s=sd,
        sigma_interval=sigma_interval,
        kappa_interval=kappa_interval,
        peak_interval=peak,
        rate_max_interval_per_s=bounds.rate_max(sigma_interval, kappa_interval),
        next_load=next_load(model, data.workers, data.weight),
        warnings=_warnings(model, data, peak),
    )


def next_load(model: Usl, workers: Array, weight: Array) -> NextLoad:
    """Return the load, up to twice the highest measured, that most narrows κ, and with it the peak.

    Source:
        c-optimal augmentation: the candidate with the least Var(κ) in (JᵀWJ + jjᵀ)⁻¹, J the slopes of the law.
    """
    slopes = _slopes(model, workers)
    information = slopes.T @ (weight[:, None] * slopes)
    candidates = np.geomspace(float(workers.min()), REACH_MOST * float(workers.max()), 200)
    rows = _slopes(model, candidates) * math.sqrt(float(weight.mean()))
    spread = np.array([np.linalg.pinv(information + np.outer(row, row))[1, 1] for row in rows])
    best = float(candidates[int(np.argmin(spread))])
    now = float(np.linalg.pinv(information)[1, 1])
    narrower = 1 - math.sqrt(max(0.0, float(spread.min())) / now) if now > 0 else 0.0
    chosen = best if best < 3 else float(round(best))
    return NextLoad(
        workers=chosen,
        why=(
            f"{three_digits(chosen)} at once: one more point there narrows the interval of κ, which places the peak, "
            f"by about {100 * narrower:.0f} %"
        ),
    )


def _refuse(points: Sequence[Point]) -> None:
    bad = [p for p in points if not (p.workers > 0 and p.rate_per_s > 0 and p.weight > 0)]
    if bad:
        raise CapacityError(
            "a point of the scalability law needs workers, throughput and weight above 0, got "
            + ", ".join(f"({p.workers:g}, {p.rate_per_s:g}, weight {p.weight:g})" for p in bad)
        )
    different = len({p.workers for p in points})
    if different < POINTS_MIN:
        raise CapacityError(
            f"the scalability law has 3 parameters and needs at least {POINTS_MIN} different loads, got {different}",
            hint="measure more loads, spread evenly on a log scale from one worker to past the limit",
        )


def _slopes(model: Usl, workers: Array) -> Array:
    """Return the slopes of the law in (σ, κ, λ), one row per load."""
    n = workers
    below = 1 + model.sigma * (n - 1) + model.kappa * n * (n - 1)
    rate = model.rate_one_per_s * n / below
    return np.column_stack((-rate * (n - 1) / below, -rate * n * (n - 1) / below, n / below))


def _warnings(model: Usl, data: Columns, peak: tuple[float, float | None]) -> tuple[str, ...]:
    most, found = float(data.workers.max()), []
    if peak[1] is None:
        found.append(
            f"the points, up to {three_digits(most)} at once, do not rule out scaling without end: "
            f"the peak is somewhere above {three_digits(peak[0])}"
        )
    elif peak[1] > 2 * peak[0]:
        found.append(
            f"the peak is only known to within a factor of {three_digits(peak[1] / peak[0])} "
            f"({three_digits(peak[0])} to {three_digits(peak[1])} at once)"
        )
    if most < 0.5 * model.workers_peak < math.inf:
        found.append(
            f"the highest load measured, {three_digits(most)} at once, is {100 * most / model.workers_peak:.0f} % of "
            f"the modelled peak: below half of it such fits are commonly wrong by tens of per cent"
        )
    return tuple(found)
