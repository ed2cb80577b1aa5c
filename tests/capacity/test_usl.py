"""The law itself: peak, inverse, domain."""

from __future__ import annotations

import math

import pytest

from scaleworthy.capacity import CapacityError, Usl

# Usl(σ, κ, λ), and σ ≠ κ on purpose: equal values cancel, and would hide a swapped sign.
MODELS = [Usl(0.0267, 7.69e-4, 995.6), Usl(0.06, 0.02, 40.0), Usl(0.1, 0.0, 500.0), Usl(0.0, 0.001, 7.0)]


@pytest.mark.parametrize("model", MODELS, ids=str)
@pytest.mark.parametrize("fraction", [0.05, 0.25, 0.5, 0.9, 0.999])
def test_workers_for_undoes_throughput(model: Usl, fraction: float) -> None:
    """Up to the peak, workers_for(throughput(n)) gives n back."""
    n = fraction * min(model.workers_peak, 100.0)

    assert model.workers_for(model.throughput(n)) == pytest.approx(n, rel=1e-6)


@pytest.mark.parametrize("model", [m for m in MODELS if m.kappa > 0], ids=str)
def test_the_peak_is_higher_than_both_sides(model: Usl) -> None:
    top = model.throughput(model.workers_peak)

    assert top == pytest.approx(model.throughput_max_per_s)
    assert top > model.throughput(0.99 * model.workers_peak)
    assert top > model.throughput(1.01 * model.workers_peak)


def test_one_worker_gives_lambda_and_no_worker_nothing() -> None:
    model = Usl(0.06, 0.02, 40.0)

    assert model.throughput(1) == pytest.approx(40.0)
    assert model.throughput(0) == 0.0
    assert model.efficiency(1) == pytest.approx(1.0)
    assert model.time_s(1) == pytest.approx(1 / 40)


def test_time_and_throughput_obey_little() -> None:
    model = Usl(0.06, 0.02, 40.0)

    assert model.time_s(9) == pytest.approx(9 / model.throughput(9))


def test_without_coherency_it_is_amdahl() -> None:
    model = Usl(0.1, 0.0, 500.0)

    assert math.isinf(model.workers_peak)
    assert model.throughput_max_per_s == pytest.approx(5_000.0)
    assert model.throughput(1e9) == pytest.approx(5_000.0, rel=1e-6)


def test_with_neither_it_is_a_straight_line() -> None:
    model = Usl(0.0, 0.0, 3.0)

    assert math.isinf(model.throughput_max_per_s)
    assert model.workers_for(300.0) == pytest.approx(100.0)


def test_what_is_out_of_reach_says_where_the_top_is() -> None:
    with pytest.raises(CapacityError, match=r"20,000 requests/s is not reachable.*35\.6 workers"):
        Usl(0.0267, 7.69e-4, 995.6).workers_for(20_000)


@pytest.mark.parametrize(
    ("sigma", "kappa", "rate", "name"),
    [
        (-0.1, 0, 1, "σ"),
        (1.0, 0, 1, "σ"),
        (0, -1e-9, 1, "κ"),
        (0, math.inf, 1, "κ"),
        (0, 0, 0, "λ"),
        (0, 0, math.nan, "λ"),
    ],
)
def test_a_parameter_outside_its_domain_is_named(sigma: float, kappa: float, rate: float, name: str) -> None:
    with pytest.raises(CapacityError, match=name):
        Usl(sigma, kappa, rate)


@pytest.mark.parametrize("target", [0.0, -5.0, math.nan])
def test_a_target_must_be_above_zero(target: float) -> None:
    with pytest.raises(CapacityError, match="above 0"):
        Usl(0.1, 0.01, 10).workers_for(target)
