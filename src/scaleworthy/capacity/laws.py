"""The operational laws: how service demand, throughput, utilisation and concurrency bind each other.

Question: given what one request uses of a resource, how many requests a second can that resource carry?
Model:    utilisation U = X·D, Little N = X·R, asymptotic bounds of a closed system with think time Z.
Units:    seconds of a resource per request; requests per second; requests (or users) present.
Not here: where the demands come from (demand.py).
Source:   P. J. Denning, J. P. Buzen, The Operational Analysis of Queueing Network Models, 1978 (utilisation, Little,
          bounds); E. C. Fieller, Some Problems in Interval Estimation, 1954 (the interval of a ceiling).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from scaleworthy.errors import ScaleworthyError


class CapacityError(ScaleworthyError):
    """A capacity question has no answer from what was measured; the text says which, and what to measure."""


@dataclass(frozen=True, slots=True)
class Line:
    """What a resource is used, as a straight line of throughput: usage = base + slope · X, with its uncertainty.

    Attributes:
        base: Usage at no load, in units of the resource (cores, connections, ratio).
        slope: Usage per request per second: the service demand, in resource-seconds per request.
        base_variance, slope_variance, covariance: Of the two estimates.
        t: Quantile of Student's distribution for the interval wanted; 0 when the uncertainty is not known.
    """

    base: float
    slope: float
    base_variance: float = 0.0
    slope_variance: float = 0.0
    covariance: float = 0.0
    t: float = 0.0

    def usage(self, rate_per_s: float) -> float:
        """Return the expected usage at *rate_per_s* requests per second."""
        return self.base + self.slope * rate_per_s

    def usage_interval(self, rate_per_s: float) -> tuple[float, float]:
        """Return the interval of the expected usage at *rate_per_s*; never below zero."""
        middle, half = self.usage(rate_per_s), self.t * math.sqrt(self._variance(rate_per_s))
        return max(0.0, middle - half), middle + half

    def slope_interval(self) -> tuple[float, float]:
        """Return the interval of the service demand; never below zero."""
        half = self.t * math.sqrt(self.slope_variance)
        return max(0.0, self.slope - half), self.slope + half

    def _variance(self, rate_per_s: float) -> float:
        spread = self.base_variance + 2 * rate_per_s * self.covariance + rate_per_s**2 * self.slope_variance
        return max(0.0, spread)


@dataclass(frozen=True, slots=True)
class Ceiling:
    """The throughput at which a resource is used up.

    Attributes:
        rate_per_s: None when the resource is not used by requests, so that it limits nothing.
        low_per_s, high_per_s: 95 % interval; `high_per_s` None when the demand may be zero.
    """

    rate_per_s: float | None
    low_per_s: float | None
    high_per_s: float | None


def ceiling(line: Line, limit: float) -> Ceiling:
    """Return where *line* reaches *limit*: the most requests per second that the resource carries.

    Args:
        line: Usage against throughput.
        limit: How much of the resource there is, in the line's units; above zero.

    Raises:
        CapacityError: The limit is not above zero.

    Source:
        Utilisation law; the interval is Fieller's: all X with (limit - base - slope·X)² ≤ t²·Var(base + slope·X).
    """
    if not limit > 0:
        raise CapacityError(f"the limit of a resource must be above zero, got {limit:g}")
    if line.slope <= 0:
        return Ceiling(None, None, None)
    rate = max(0.0, (limit - line.base) / line.slope)
    gap, t2 = limit - line.base, line.t**2
    a = line.slope**2 - t2 * line.slope_variance
    b = -2 * (gap * line.slope + t2 * line.covariance)
    c = gap**2 - t2 * line.base_variance
    inside = b * b - 4 * a * c
    if a <= 0 or inside < 0:
        # The demand is not told from zero: the resource may carry any load. What is sure is the lower end alone.
        low = _lower_end(line, limit, rate)
        return Ceiling(rate, low, None)
    root = math.sqrt(inside)
    return Ceiling(rate, max(0.0, (-b - root) / (2 * a)), max(0.0, (-b + root) / (2 * a)))


def _lower_end(line: Line, limit: float, rate: float) -> float:
    """Return the lowest throughput whose upper usage bound reaches the limit, by bisection in [0, rate]."""
    low, high = 0.0, rate
    for _ in range(60):
        middle = (low + high) / 2
        if line.usage_interval(middle)[1] < limit:
            low = middle
        else:
            high = middle
    return low


def little(*, rate_per_s: float, time_s: float) -> float:
    """Return how many requests are present: N = X·R. With a hold time it is how many of a pool are in use."""
    return rate_per_s * time_s


def time_held_s(*, present: float, rate_per_s: float) -> float:
    """Return how long each request holds what it holds: R = N/X.

    Raises:
        CapacityError: The rate is not above zero.
    """
    if not rate_per_s > 0:
        raise CapacityError(f"a time per request needs a rate above zero, got {rate_per_s:g} requests/s")
    return present / rate_per_s


@dataclass(frozen=True, slots=True)
class Bounds:
    """Asymptotic bounds of a closed system: no schedule, cache or luck gets past them.

    Attributes:
        rate_max_per_s: Throughput is never above this.
        time_min_s: The response time is never below this.
        users_knee: Users from which the bottleneck, not the users, sets the throughput.
    """

    rate_max_per_s: float
    time_min_s: float
    users_knee: float


def bounds(demands_s: Sequence[float], *, users: float, think_s: float = 0.0) -> Bounds:
    """Return the bounds for *users* who each wait *think_s* between requests that need *demands_s* of the resources.

    Args:
        demands_s: Seconds of each resource per request, divided by how many of it there are; at least one above zero.
        users: Above zero.
        think_s: At or above zero.

    Raises:
        CapacityError: No demand is above zero, or one is below; or users or think time are out of range.

    Source:
        X ≤ min(1/D_max, N/(D+Z)); R ≥ max(D, N·D_max - Z); N* = (D+Z)/D_max, D the sum of the demands.
    """
    if not demands_s or min(demands_s) < 0 or not max(demands_s) > 0:
        raise CapacityError(f"bounds need demands at or above zero, one of them above; got {list(demands_s)}")
    if not users > 0 or think_s < 0:
        raise CapacityError(f"bounds need users above zero and a think time not below; got {users:g} and {think_s:g} s")
    total, most = math.fsum(demands_s), max(demands_s)
    return Bounds(
        rate_max_per_s=min(1 / most, users / (total + think_s)),
        time_min_s=max(total, users * most - think_s),
        users_knee=(total + think_s) / most,
    )
