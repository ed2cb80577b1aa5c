"""Least squares of the scalability law, and intervals by profile.

Method:   for given σ and κ the best λ is a weighted mean, so two parameters are searched: a grid, then a bounded solver. The
          interval of a quantity is every value whose best fit, over the other parameters, stays within the allowed sum.
Units:    workers; requests per second.
Source:   G. H. Golub, V. Pereyra, 1973 (eliminating the linear parameter); D. M. Bates, D. G. Watts, 1988 (profiles).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import optimize

from scaleworthy.capacity.usl import Usl

Array = NDArray[np.float64]
SIGMA_MOST = 1 - 1e-9


@dataclass(frozen=True, slots=True)
class Columns:
    """The points as columns, with λ eliminated: for given σ and κ the best λ is a weighted mean."""

    workers: Array
    rate: Array
    weight: Array

    def shape(self, sigma: Array, kappa: Array) -> Array:
        """Return N/(1+σ(N-1)+κN(N-1)), one row per parameter pair."""
        n = self.workers[None, :]
        return np.asarray(n / (1 + sigma[:, None] * (n - 1) + kappa[:, None] * n * (n - 1)))

    def profile(self, sigma: Array, kappa: Array) -> tuple[Array, Array]:
        """Return the best λ and its weighted sum of squares, per parameter pair."""
        g, w = self.shape(sigma, kappa), self.weight[None, :]
        rate_one = np.sum(w * g * self.rate, axis=1) / np.sum(w * g * g, axis=1)
        return rate_one, np.sum(w * (self.rate - rate_one[:, None] * g) ** 2, axis=1)

    def rounding(self) -> float:
        """Return the sum of squares that rounding alone leaves: an exact fit has no other scatter to judge by."""
        return 1e-12 * float(np.sum(self.weight * self.rate**2))

    def best(self) -> tuple[float, float]:
        """Return σ and κ of the least squares, from the best cell of a grid, polished."""
        most = float(self.workers.max())
        sigmas = np.concatenate(([0.0], np.geomspace(1e-5, 0.95, 60)))
        # κ beyond 1/N of the least load would bend the curve before the first point.
        kappas = np.concatenate(([0.0], np.geomspace(1e-4 / most**2, 10.0, 90)))
        grid_sigma, grid_kappa = (a.ravel() for a in np.meshgrid(sigmas, kappas))
        _, sse = self.profile(grid_sigma, grid_kappa)
        at = int(np.argmin(sse))

        def residuals(theta: Array) -> Array:
            sigma, kappa = np.array([theta[0]]), np.array([theta[1] / most**2])
            rate_one, _ = self.profile(sigma, kappa)
            return np.asarray(np.sqrt(self.weight) * (self.rate - rate_one[0] * self.shape(sigma, kappa)[0]))

        start = np.array([min(grid_sigma[at], 0.99), grid_kappa[at] * most**2])
        ends = optimize.least_squares(
            residuals,
            start,
            bounds=([0.0, 0.0], [SIGMA_MOST, np.inf]),
            x_scale=np.maximum(start, [1e-3, 1e-2]),
            xtol=1e-14,
            ftol=1e-14,
            gtol=1e-14,
        )
        found = (float(ends.x[0]), float(ends.x[1]) / most**2)
        # The solver keeps off the borders by a hair; zero is a model of its own (Amdahl, or perfect scaling).
        options = [found, (found[0], 0.0), (0.0, found[1]), (0.0, 0.0)]
        _, values = self.profile(np.array([o[0] for o in options]), np.array([o[1] for o in options]))
        good = float(values.min()) * (1 + 1e-9) + self.rounding()
        return next(o for o, value in zip(reversed(options), reversed(values.tolist()), strict=True) if value <= good)


class Profiles:
    """Intervals by profile: the values of one quantity whose best fit stays within the allowed sum of squares."""

    def __init__(self, data: Columns, model: Usl, allowed: float) -> None:
        self.data, self.model, self.allowed = data, model, allowed
        self.most = float(data.workers.max())
        self.sigmas = np.concatenate(([0.0], np.geomspace(1e-6, SIGMA_MOST, 120)))
        self.kappas = np.concatenate(([0.0], np.geomspace(1e-5 / self.most**2, 100.0, 160)))

    def sigma(self) -> tuple[float, float]:
        """Return the interval of σ."""
        return self._around(
            self.model.sigma, lambda s: self._least(lambda k: (np.full_like(k, s), k), self.kappas), 1.0
        )

    def kappa(self) -> tuple[float, float]:
        """Return the interval of κ."""
        return self._around(
            self.model.kappa, lambda k: self._least(lambda s: (s, np.full_like(s, k)), self.sigmas), 100.0
        )

    def peak(self) -> tuple[float, float | None]:
        """Return the interval of N*, searched on 1/N* so that endless scaling is its lower end, 0."""

        def worst(inverse: float) -> float:
            return self._least(lambda s: (s, (1 - s) * inverse**2), self.sigmas)

        centre = 0.0 if math.isinf(self.model.workers_peak) else 1 / self.model.workers_peak
        low, high = self._around(centre, worst, 100.0)
        return 1 / high, (1 / low if low > 0 else None)

    def rate_max(self, sigma: tuple[float, float], kappa: tuple[float, float]) -> tuple[float, float | None]:
        """Return the interval of the highest throughput, over the allowed pairs within the intervals of σ and κ."""
        pairs = np.meshgrid(np.linspace(*sigma, 81), np.linspace(*kappa, 81))
        sigmas, kappas = (np.minimum(a.ravel(), SIGMA_MOST) for a in pairs)
        rate_one, sse = self.data.profile(sigmas, kappas)
        inside = sse <= self.allowed
        allowed = zip(sigmas[inside], kappas[inside], rate_one[inside], strict=True)
        tops = [self.model.throughput_max_per_s]
        tops += [Usl(float(s), float(k), float(r)).throughput_max_per_s for s, k, r in allowed]
        return min(tops), (max(tops) if math.isfinite(max(tops)) else None)

    def _least(self, pairs: Callable[[Array], tuple[Array, Array]], grid: Array) -> float:
        """Return the least sum of squares along a curve of (σ, κ) pairs: the best cell of *grid*, zoomed into."""
        for _ in range(4):
            sse = self.data.profile(*pairs(grid))[1]
            at = int(np.argmin(sse))
            grid = np.linspace(grid[max(0, at - 1)], grid[min(len(grid) - 1, at + 1)], 21)
        return float(sse.min())

    def _around(self, centre: float, sse: Callable[[float], float], most: float) -> tuple[float, float]:
        """Return the ends, below and above *centre* within [0, most], where *sse* passes the allowed value."""
        inside, outside = centre, 0.0
        low = 0.0
        if sse(0.0) > self.allowed:
            low = self._edge(inside, outside, sse)
        high = max(2 * centre, 1e-6 / self.most)
        while high < most and sse(high) <= self.allowed:
            high *= 2
        return low, (most if high >= most and sse(most) <= self.allowed else self._edge(centre, min(high, most), sse))

    def _edge(self, inside: float, outside: float, sse: Callable[[float], float]) -> float:
        for _ in range(36):
            middle = (inside + outside) / 2
            if sse(middle) <= self.allowed:
                inside = middle
            else:
                outside = middle
        return (inside + outside) / 2
