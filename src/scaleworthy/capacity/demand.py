"""Estimate what one request takes of each resource, near the limit, and how sure that is.

Question: how many seconds of each resource does one more request need?
Method:   usage against throughput over the measured levels, weighted least squares of usage = base + demand · rate.
          CPU per request falls with load (fewer wake-ups per request): up to half at saturation of what it is at a low
          rate. So the line is local: levels count by how near they are to the highest one (tricube in rate), and
          the demand is the one near the limit, never an average over all loads.
Units:    resource-seconds per request (core-seconds, connection-seconds); requests per second.
Interval: Student's, from the scatter about the line or within the levels, whichever is larger.
Source:   W. S. Cleveland, Robust Locally Weighted Regression, 1979 (tricube weights).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from scaleworthy.capacity.laws import Line
from scaleworthy.capacity.usage import Level

Array = NDArray[np.float64]
CONFIDENCE = 0.95
WEIGHT_MIN = 0.02
"""Levels below this share of the top level's weight are too far from the limit to say anything about it."""


@dataclass(frozen=True, slots=True)
class Demand:
    """What requests take of one resource.

    Attributes:
        key: The resource's key (usage.Resource).
        line: Usage against throughput near the highest load measured.
        rate_top_per_s: The highest load that it rests on.
        per_request_top: Usage per request there, base included, in resource-seconds.
        per_request_low: The same at the lowest load measured: how far from constant it is.
        levels: How many loads it rests on; with one, base and demand cannot be told apart.
        seconds: For how long these were held together.
    """

    key: str
    line: Line
    rate_top_per_s: float
    per_request_top: float
    per_request_low: float
    levels: int
    seconds: int

    @property
    def rises(self) -> bool:
        """Whether usage was told from not depending on load at all."""
        return self.line.slope_interval()[0] > 0


def demand(key: str, measured: Sequence[Level]) -> Demand | None:
    """Return the demand on resource *key*, or None when no clean level observed it."""
    known = [level for level in measured if key in level.uses and level.rate_per_s > 0]
    clean = [level for level in known if level.clean] or known
    if not clean:
        return None
    top = max(level.rate_per_s for level in clean)
    near = [level for level in clean if _tricube(level.rate_per_s, top) >= WEIGHT_MIN]
    highest = max(clean, key=lambda level: level.rate_per_s)
    lowest = min(clean, key=lambda level: level.rate_per_s)
    return Demand(
        key=key,
        line=_line(key, near, top),
        rate_top_per_s=top,
        per_request_top=highest.uses[key].mean / highest.rate_per_s,
        per_request_low=lowest.uses[key].mean / lowest.rate_per_s,
        levels=len(near),
        seconds=sum(level.seconds for level in near),
    )


def _tricube(rate: float, top: float) -> float:
    return float((1 - abs(1 - rate / top) ** 3) ** 3)


def _line(key: str, near: Sequence[Level], top: float) -> Line:
    rate = np.array([level.rate_per_s for level in near])
    usage = np.array([level.uses[key].mean for level in near])
    seconds = np.array([float(level.seconds) for level in near])
    scatter = np.array([level.uses[key].second_variance for level in near])
    within = float(np.sum(seconds * scatter) / np.sum(seconds))
    within_freedom = max(1, int(np.sum(seconds - 1)))
    weight = seconds * np.array([_tricube(float(r), top) for r in rate])
    if np.ptp(rate) < 0.1 * top:
        # One load, however often: a line through the origin, which charges the idle cost to the requests.
        return _through_origin(rate, usage, weight, within, within_freedom)
    line = fit_line(rate, usage, weight, second_variance=within, second_freedom=within_freedom)
    if line.base < 0:
        return _through_origin(rate, usage, weight, within, within_freedom)
    if line.slope < 0:
        return replace(line, base=float(np.average(usage, weights=weight)), slope=0.0)
    return line


def fit_line(
    rate: Array, usage: Array, weight: Array, *, second_variance: float = 0.0, second_freedom: int = 1
) -> Line:
    """Return the weighted least-squares line of *usage* against *rate*.

    Args:
        weight: Seconds that each point stands for.
        second_variance: Variance of a single second's usage within the points, the floor of the scatter.
        second_freedom: How many degrees of freedom that variance rests on.
    """
    design = np.column_stack((np.ones_like(rate), rate))
    inverse = np.linalg.inv(design.T @ (weight[:, None] * design))
    base, slope = inverse @ design.T @ (weight * usage)
    residual = usage - base - slope * rate
    variance, freedom = _variance(float(np.sum(weight * residual**2)), len(rate) - 2, second_variance, second_freedom)
    return Line(
        base=float(base),
        slope=float(slope),
        base_variance=float(inverse[0, 0]) * variance,
        slope_variance=float(inverse[1, 1]) * variance,
        covariance=float(inverse[0, 1]) * variance,
        t=float(stats.t.ppf((1 + CONFIDENCE) / 2, freedom)),
    )


def _through_origin(rate: Array, usage: Array, weight: Array, within: float, within_freedom: int) -> Line:
    information = float(np.sum(weight * rate**2))
    slope = float(np.sum(weight * rate * usage)) / information
    squares = float(np.sum(weight * (usage - slope * rate) ** 2))
    variance, freedom = _variance(squares, len(rate) - 1, within, within_freedom)
    t = float(stats.t.ppf((1 + CONFIDENCE) / 2, freedom))
    return Line(0.0, slope, slope_variance=variance / information, t=t)


def _variance(squares: float, freedom: int, within: float, within_freedom: int) -> tuple[float, int]:
    """Return the larger of the scatter about the line and within the points, with its degrees of freedom."""
    about = squares / freedom if freedom > 0 else 0.0
    return (about, freedom) if about >= within and freedom > 0 else (within, max(within_freedom, 1))
