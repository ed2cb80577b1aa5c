"""Demands, ceilings and the bottleneck, found again in a service whose costs are known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from scaleworthy.capacity import CapacityError, assess_capacity
from scaleworthy.capacity.demand import demand, fit_line
from scaleworthy.capacity.laws import ceiling
from scaleworthy.capacity.usage import Level, Use, levels, requests_per_level
from scaleworthy.series import MemoryStore, SeriesKey

from .conftest import Service, limit, probe

RATES = (10, 20, 40, 80, 120, 160, 200, 220, 230)


def level(rate: float, cores: float, *, seconds: int = 10, variance: float = 0.0) -> Level:
    return Level(rate, 0, seconds, None, True, True, {"cpu:http": Use(cores, variance)})


def test_base_and_marginal_cost_are_told_apart(service: Service) -> None:
    store, found = service.measure(RATES)
    http = demand("cpu:http", levels(store, found.probes, requests_per_level=1.0))

    assert http is not None
    assert http.line.slope == pytest.approx(0.004, rel=1e-9)
    assert http.line.base == pytest.approx(0.05, rel=1e-9)
    assert ceiling(http.line, 1.0).rate_per_s == pytest.approx(0.95 / 0.004)


def test_the_demand_is_that_near_the_limit_not_an_average_over_all_loads() -> None:
    """CPU per request halves from a low rate to saturation: cores(X) = 1 ms · X + 10 cores·(1 - e^(-X/100))/100."""
    from math import exp

    cores = {rate: 0.001 * rate + 0.1 * (1 - exp(-rate / 100)) for rate in (10, 25, 50, 100, 200, 400, 600, 800)}
    found = demand("cpu:http", [level(rate, used) for rate, used in cores.items()])

    assert found is not None
    assert cores[10] / 10 > 1.7 * cores[800] / 800
    assert found.line.slope == pytest.approx(0.001, rel=0.05)
    assert ceiling(found.line, 1.0).rate_per_s == pytest.approx((1 - 0.1) / 0.001, rel=0.01)
    assert found.per_request_low > 1.7 * found.per_request_top


def test_the_interval_holds_the_truth_under_noise() -> None:
    """95 % intervals over 40 noisy services: at least 34 hold the true demand (binomial, p > 0.98)."""
    held = 0
    for seed in range(40):
        store, found = Service(noise=0.1, seed=seed).measure(RATES)
        http = demand("cpu:http", levels(store, found.probes, requests_per_level=1.0))
        assert http is not None
        low, high = http.line.slope_interval()
        held += low <= 0.004 <= high
    assert held >= 34


def test_scatter_about_the_line_gives_the_textbook_error() -> None:
    """Equal weights and no scatter within: the standard errors are those of ordinary least squares (scipy's)."""
    rate, usage = np.array([1.0, 2.0, 3.0, 4.0, 5.0]), np.array([1.1, 1.9, 3.3, 3.8, 5.2])
    line = fit_line(rate, usage, np.ones(5))
    known = stats.linregress(rate, usage)

    assert line.slope == pytest.approx(known.slope)
    assert line.slope_variance == pytest.approx(known.stderr**2)
    assert line.base_variance == pytest.approx(known.intercept_stderr**2)
    assert line.t == pytest.approx(3.182, abs=1e-3)


def test_scatter_within_the_levels_is_the_floor_of_the_error() -> None:
    """Levels that happen to lie on a line are no surer than their seconds: 0.04 per second, over 10 s each."""
    rate = np.array([1.0, 2.0, 3.0])
    line = fit_line(rate, 2 * rate, np.full(3, 10.0), second_variance=0.04, second_freedom=27)

    assert line.slope_variance == pytest.approx(0.04 / (10 * 2))
    assert line.t == pytest.approx(2.052, abs=1e-3)


def test_one_load_alone_charges_the_idle_cost_to_the_requests() -> None:
    found = demand("cpu:http", [level(100, 0.45, variance=0.01)])

    assert found is not None
    assert found.levels == 1
    assert found.line.base == 0.0
    assert found.line.slope == pytest.approx(0.0045)
    low, high = found.line.slope_interval()
    # Ten seconds of ±0.1 cores: ± 2.26·0.1/√10/100 s.
    assert high - low == pytest.approx(2 * 2.262 * 0.1 / 10**0.5 / 100, rel=1e-3)


def test_use_that_falls_with_load_has_no_demand() -> None:
    found = demand("cpu:http", [level(50, 0.30), level(100, 0.25), level(200, 0.20)])

    assert found is not None
    assert found.line.slope == 0.0
    assert not found.rises


def test_levels_full_of_failures_do_not_price_a_request() -> None:
    good = [level(50, 0.25), level(100, 0.45)]
    wasted = replace(level(110, 0.95), clean=False)
    found = demand("cpu:http", [*good, wasted])

    assert found is not None
    assert found.line.slope == pytest.approx(0.004)


def test_the_limit_of_a_single_threaded_process_is_one_core(service: Service) -> None:
    store, found = service.measure(RATES)
    capacity = assess_capacity(store, found)
    first = capacity.uses[0]

    assert first.resource.key == "cpu:http"
    assert first.resource.limit == 1.0
    assert first.ceiling.rate_per_s == pytest.approx(237.5)
    assert first.usage == pytest.approx(0.05 + 0.004 * 220)
    assert first.headroom_ratio == pytest.approx(1 - 0.93)


def test_a_process_seen_to_use_more_than_a_core_has_the_whole_host() -> None:
    store, found = Service(http_s=0.007, cpus=4).measure(RATES)
    capacity = assess_capacity(store, found)

    assert next(use for use in capacity.uses if use.resource.key == "cpu:http").resource.limit == 4.0


def test_the_bottleneck_is_the_lowest_ceiling_and_the_next_is_named(service: Service) -> None:
    store, found = service.measure(RATES)
    limits = assess_capacity(store, found).limiting

    assert limits is not None
    assert (limits.key, limits.explained) == ("cpu:http", True)
    assert limits.next_key == "host"
    assert "p95 < 200ms" in limits.evidence[0]


def test_a_database_can_be_the_bottleneck() -> None:
    store, found = Service(http_s=0.001, postgres_s=0.008).measure(RATES)
    limits = assess_capacity(store, found).limiting

    assert limits is not None
    assert limits.key == "host"
    assert limits.next_key == "cpu:postgres"


def test_a_full_pool_is_found_and_limits_by_its_hold_time() -> None:
    """Ten connections held 40 ms each carry 250 requests a second; the CPU would carry more."""
    store, found = Service(http_s=0.001, postgres_s=0.001, held_s=0.040).measure(RATES)
    limits = assess_capacity(store, found, pool_connections=10).limiting

    assert limits is not None
    assert limits.key == "pool"
    assert "250 requests/s" in limits.explanation


def test_when_nothing_is_used_up_the_report_says_that_requests_wait() -> None:
    store, found = Service(http_s=0.0005, postgres_s=0.0005).measure(RATES)
    limits = assess_capacity(store, found).limiting

    assert limits is not None
    assert limits.key is None
    assert "requests wait" in limits.explanation
    assert not limits.explained


def test_a_machine_busy_with_other_work_is_said_to_be(service: Service) -> None:
    """The rest of both cores is taken whatever the load: no resource of the service is to blame."""
    store, found = Service(http_s=0.0005, postgres_s=0.0005).measure(RATES)
    for second in store.per_second("host.cpu")[0].tolist():
        store.append(second, [(SeriesKey.of("host.cpu", "gauge", "ratio"), 1.0)])
    capacity = assess_capacity(store, found)

    assert capacity.limiting is not None
    assert capacity.limiting.resource == "host CPU, taken by other work"
    assert any("belonged to no observed process" in note for note in capacity.notes)


def test_a_search_that_ended_early_blames_nothing(service: Service) -> None:
    store, found = service.measure((10, 20, 40))
    unsure = replace(
        found,
        passing=None,
        failing=None,
        estimate=None,
        interval=None,
        stopped_by="generator",
        probes=tuple(replace(one, passed=None) for one in found.probes),
    )
    capacity = assess_capacity(store, unsure)

    assert (capacity.limit_per_s, capacity.never_held, capacity.limit_reached) == (None, False, False)
    assert capacity.limiting is not None
    assert "would be the first" in capacity.limiting.explanation


def test_the_generator_s_cpu_is_taken_out_and_told() -> None:
    store, found = Service(generator_s=0.002).measure(RATES)
    capacity = assess_capacity(store, found)
    whole, alone = (next(u for u in capacity.uses if u.resource.key == key) for key in ("host", "host:service"))

    assert capacity.shares_machine
    assert whole.demand.line.slope - alone.demand.line.slope == pytest.approx(0.002)
    assert "shared one machine" in capacity.notes[0]


def test_a_generator_that_is_not_seen_shares_nothing() -> None:
    store = MemoryStore()
    for second in range(10):
        store.append(
            second,
            [
                (SeriesKey.of("load.answered", "counter", "requests"), 50.0),
                (SeriesKey.of("process.cpu_seconds", "counter", "s", {"role": "http"}), 0.2),
            ],
        )
    capacity = assess_capacity(store, limit([probe(50, 0, 10, passed=True)]))

    assert not capacity.shares_machine
    assert capacity.usl is None
    assert capacity.usl_refused is not None
    assert "at least 4 different loads" in capacity.usl_refused


def test_a_search_by_scenario_starts_is_read_in_requests(service: Service) -> None:
    """A scenario of three steps: 70 starts a second are 210 requests."""
    store, found = service.measure((30, 60, 120, 210))
    threefold = replace(
        found, probes=tuple(replace(p, level=p.level / 3) for p in found.probes), estimate=40.0, interval=(38.0, 42.0)
    )
    capacity = assess_capacity(store, threefold)

    assert requests_per_level(threefold) == pytest.approx(3.0)
    assert capacity.limit_per_s == pytest.approx(120.0)
    assert capacity.limit_interval_per_s == pytest.approx((114.0, 126.0))


def test_overload_is_no_point_of_the_scalability_law(service: Service) -> None:
    store, found = service.measure((20, 40, 80, 160, 200))
    last = found.probes[-1]
    late = replace(found, probes=(*found.probes[:-1], replace(last, level=400.0, in_flight_mean=900.0)))
    capacity = assess_capacity(store, late)

    assert capacity.usl is not None
    assert len(capacity.usl.points) == 4
    assert [one.carried for one in capacity.levels] == [True, True, True, True, False]


def test_nothing_answered_is_refused_with_the_next_step() -> None:
    with pytest.raises(CapacityError, match="none of the 1 loads"):
        assess_capacity(MemoryStore(), limit([replace(probe(0, 0, 10, passed=False, level=5.0), answered=0)]))
