"""The Universal Scalability Law: throughput against workers, its peak, and its inverse.

Question: where do more workers (or requests at once) stop helping?
Model:    X(N) = λN / (1 + σ(N-1) + κN(N-1)), with λ > 0, 0 ≤ σ < 1 and κ ≥ 0.
Units:    workers, or requests in flight; requests per second; seconds.
Not here: fitting it (usl_fit.py), measuring the points (load/), drawing them (report/).
Source:   N. J. Gunther, arXiv:0808.1431.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from scaleworthy.capacity.laws import CapacityError
from scaleworthy.units import three_digits


@dataclass(frozen=True, slots=True)
class Usl:
    """One law.

    Attributes:
        sigma: Contention: the share of the work that is serial; from 0 to below 1.
        kappa: Coherency: the cost of keeping each pair of workers agreed; at or above 0.
        rate_one_per_s: λ, the throughput of one worker; above 0.

    Raises:
        CapacityError: A parameter is outside its domain; the message names it and its value.
    """

    sigma: float
    kappa: float
    rate_one_per_s: float

    def __post_init__(self) -> None:
        if not 0 <= self.sigma < 1:
            raise CapacityError(f"contention σ must be from 0 to below 1, got {self.sigma:g}")
        if not 0 <= self.kappa < math.inf:
            raise CapacityError(f"coherency κ must be at or above 0, got {self.kappa:g}")
        if not 0 < self.rate_one_per_s < math.inf:
            raise CapacityError(f"throughput of one worker λ must be above 0, got {self.rate_one_per_s:g}")

    def throughput(self, workers: float) -> float:
        """Return the requests per second of *workers*; at or above 0.

        Raises:
            CapacityError: Fewer than 0 workers.
        """
        if not workers >= 0:
            raise CapacityError(f"workers must be at or above 0, got {workers:g}")
        return self.rate_one_per_s * workers / self._slowdown(workers)

    def time_s(self, workers: float) -> float:
        """Return how long a request takes with *workers* busy (Little: R = N/X), in seconds."""
        if not workers >= 0:
            raise CapacityError(f"workers must be at or above 0, got {workers:g}")
        return self._slowdown(workers) / self.rate_one_per_s

    def efficiency(self, workers: float) -> float:
        """Return the throughput per worker as a ratio of that of one worker alone."""
        return 1 / self._slowdown(workers)

    def _slowdown(self, workers: float) -> float:
        return 1 + self.sigma * (workers - 1) + self.kappa * workers * (workers - 1)

    @property
    def workers_peak(self) -> float:
        """N* = √((1-σ)/κ), where throughput is highest; infinite when κ is 0."""
        return math.sqrt((1 - self.sigma) / self.kappa) if self.kappa > 0 else math.inf

    @property
    def throughput_max_per_s(self) -> float:
        """The most the law gives: X(N*), or λ/σ when κ is 0; infinite when both are 0."""
        if self.kappa > 0:
            return self.throughput(self.workers_peak)
        return self.rate_one_per_s / self.sigma if self.sigma > 0 else math.inf

    def workers_for(self, throughput_per_s: float) -> float:
        """Return the fewest workers that reach *throughput_per_s*.

        Args:
            throughput_per_s: Target rate in requests per second; above zero.

        Returns:
            Workers, as a real number. Round up before buying hardware.

        Raises:
            CapacityError: The target is not above zero, or at or above the modelled ceiling.

        Source:
            Rising root of κXN² + ((σ - κ)X - λ)N + (1 - σ)X = 0.
        """
        rate = throughput_per_s
        if not rate > 0:
            raise CapacityError(f"a target rate must be above 0 requests/s, got {rate:g}")
        if rate >= self.throughput_max_per_s:
            where = f" ({three_digits(self.workers_peak)} workers)" if self.kappa > 0 else " (never quite reached)"
            raise CapacityError(
                f"{three_digits(rate)} requests/s is not reachable: "
                f"the model tops out at {three_digits(self.throughput_max_per_s)} requests/s{where}",
                hint="lower the target, or reduce contention and fit again",
            )
        a = self.kappa * rate
        b = (self.sigma - self.kappa) * rate - self.rate_one_per_s
        c = (1 - self.sigma) * rate
        # 2c/(-b+√…) instead of (-b-√…)/2a: exact for κ → 0 and free of cancellation far below the peak; b is below
        # zero for every reachable rate.
        return 2 * c / (-b + math.sqrt(max(0.0, b * b - 4 * a * c)))

    def __str__(self) -> str:
        return f"σ={self.sigma:.4g} κ={self.kappa:.4g} λ={self.rate_one_per_s:.4g}/s"
