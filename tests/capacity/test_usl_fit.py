"""Fitting the law: published data, known parameters, intervals that hold the truth, refusals."""

from __future__ import annotations

import math

import numpy as np
import pytest

from scaleworthy.capacity import CapacityError, Point, Usl, UslFit, fit_usl

# SPEC SDM91 on a SPARCcenter 2000: simulated users, scripts per hour; the example of the R package `usl`.
SPEC_SDM91 = ((1, 64.9), (18, 995.9), (36, 1652.4), (72, 1853.2), (108, 1828.9), (144, 1775.0), (216, 1702.2))
TRUE = Usl(0.02, 2.024e-4, 50.0)  # peak at 69.6


def points_of(model: Usl, loads: tuple[float, ...], *, noise: float = 0.0, seed: int = 0) -> list[Point]:
    random = np.random.default_rng(seed)
    rates = [model.throughput(n) * (1 + noise * random.normal()) for n in loads]
    return [Point(n, rate, 1 / model.throughput(n) ** 2) for n, rate in zip(loads, rates, strict=True)]


@pytest.fixture(scope="module")
def published() -> UslFit:
    return fit_usl([Point(n, x) for n, x in SPEC_SDM91])


def test_published_data_give_the_published_coefficients(published: UslFit) -> None:
    """R `usl` 3 prints alpha 0.0277285, beta 0.0001044, gamma 89.9952330; residual standard error 82.8."""
    assert published.model.sigma == pytest.approx(0.0277285, rel=1e-5)
    assert published.model.kappa == pytest.approx(0.0001044, rel=5e-4)
    assert published.model.rate_one_per_s == pytest.approx(89.9952330, rel=1e-5)
    assert published.residual_sd_per_s == pytest.approx(82.8, abs=0.05)


def test_published_data_give_the_published_peak(published: UslFit) -> None:
    """R `usl` 3 prints: peak, throughput 1884 at load 96.52; residuals from -81.7 to 111.1."""
    assert published.model.workers_peak == pytest.approx(96.52, abs=0.01)
    assert published.model.throughput_max_per_s == pytest.approx(1884, abs=0.5)
    assert min(published.residuals_per_s) == pytest.approx(-81.7, abs=0.05)
    assert max(published.residuals_per_s) == pytest.approx(111.1, abs=0.05)


def test_the_intervals_of_published_data_hold_their_estimates(published: UslFit) -> None:
    """With 4 degrees of freedom, ± 2.78 published standard errors, and a profile that is wider on the far side."""
    low, high = published.sigma_interval
    assert 0.0277 - 2.78 * 0.0092 < low < 0.0277 < 0.0277 + 2.78 * 0.0092 < high
    assert published.peak_interval[0] < 96.52
    assert published.peak_interval[1] is not None
    assert published.peak_interval[1] > 96.52


@pytest.mark.parametrize(
    "model", [Usl(0.0267, 7.69e-4, 995.6), Usl(0.06, 0.02, 40.0), Usl(0.1, 0.0, 500.0), Usl(0.0, 0.002, 3.0)], ids=str
)
def test_a_fit_gives_the_parameters_back(model: Usl) -> None:
    found = fit_usl(points_of(model, (1, 2, 4, 8, 16, 32))).model

    assert found.sigma == pytest.approx(model.sigma, abs=1e-6)
    assert found.kappa == pytest.approx(model.kappa, rel=1e-4, abs=1e-8)
    assert found.rate_one_per_s == pytest.approx(model.rate_one_per_s, rel=1e-6)


def test_parameters_never_leave_their_domain() -> None:
    """Throughput per worker that rises is not a law of this kind: the best in the domain is the straight line."""
    found = fit_usl([Point(n, 10 * n**1.2) for n in (1, 2, 4, 8, 16)]).model

    assert found.sigma == 0.0
    assert found.kappa == 0.0


def test_the_interval_of_the_peak_holds_the_truth() -> None:
    """95 % intervals from points past half the peak, 2 % noise: at least 20 of 24 hold it (binomial, p > 0.99)."""
    held = 0
    for seed in range(24):
        low, high = fit_usl(points_of(TRUE, (1, 4, 8, 16, 32, 48, 64), noise=0.02, seed=seed)).peak_interval
        held += low <= TRUE.workers_peak <= (high or math.inf)
    assert held >= 20


def test_points_far_below_the_peak_leave_it_open() -> None:
    """Up to an eighth of the peak nothing rules out endless scaling, and the fit says so."""
    found = fit_usl(points_of(TRUE, (1, 2, 3, 4, 6, 8), noise=0.01, seed=3))

    assert found.peak_interval[1] is None
    assert found.rate_max_interval_per_s[1] is None or found.rate_max_interval_per_s[1] > TRUE.throughput_max_per_s
    assert any("do not rule out" in warning for warning in found.warnings)


def test_points_up_to_the_peak_do_not_warn() -> None:
    assert fit_usl(points_of(TRUE, (1, 8, 16, 32, 64, 96), noise=0.002, seed=1)).warnings == ()


def test_the_next_load_narrows_the_interval_most() -> None:
    """Measuring where the fit says narrows the peak more than measuring the middle again."""
    loads = (1.0, 4.0, 8.0, 16.0, 24.0, 32.0)
    first = fit_usl(points_of(TRUE, loads, noise=0.02, seed=5))
    advised = first.next_load.workers
    assert advised > 32

    def width(extra: float) -> float:
        fits = [fit_usl(points_of(TRUE, (*loads, extra), noise=0.02, seed=seed)) for seed in range(8)]
        return float(np.mean([fit.kappa_interval[1] - fit.kappa_interval[0] for fit in fits]))

    assert width(advised) < 0.7 * width(12.0)


def test_a_point_that_counts_more_pulls_more() -> None:
    loads = [Point(n, Usl(0.1, 0.001, 10).throughput(n)) for n in (1, 2, 4, 8, 16)]
    odd = [*loads, Point(32, 30.0, weight=1e-6)]
    trusted = [*loads, Point(32, 30.0, weight=1e3)]

    assert fit_usl(odd).model.throughput(32) > 40
    assert fit_usl(trusted).model.throughput(32) == pytest.approx(30.0, rel=0.01)


def test_fewer_than_four_loads_are_refused_with_the_reason() -> None:
    with pytest.raises(CapacityError, match="3 parameters and needs at least 4 different loads, got 3"):
        fit_usl([Point(1, 10), Point(2, 19), Point(4, 35), Point(4, 36)])


def test_every_bad_point_is_named() -> None:
    with pytest.raises(CapacityError, match=r"\(0, 10, weight 1\), \(2, -1, weight 1\)"):
        fit_usl([Point(0, 10), Point(2, -1), Point(3, 4), Point(5, 6), Point(7, 8)])
