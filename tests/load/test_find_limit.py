"""The search finds limits that are known: queues in closed form, cliffs, servers that never hold, generators that fall behind."""

from typing import Any

import pytest
from tests.load.simulated import (
    SimulatedQueue,
    SimulatedUsers,
    erlang_c,
    response_exceeds,
    true_limit,
    true_users,
    users_exceed,
)

from scaleworthy.errors import UsageError
from scaleworthy.load import Limit, Probe, SearchSettings
from scaleworthy.load.limit.search import Search
from scaleworthy.series import MemoryStore, Slice

SEEDS = range(16)


def search(queue: SimulatedQueue, *, objectives: tuple[str, ...] = ("p95 < 20ms", "failed < 1%"), **more: Any) -> Limit:
    return Search(queue, MemoryStore(), objectives=objectives, **{"counts_arrivals": True, **more}).run()


# The closed form that judges the search is itself checked.


def test_one_server_has_the_textbooks_response_time() -> None:
    """M/M/1: Exp(μ - λ)."""
    assert response_exceeds(0.02, rate=850, servers=1, mu=1000) == pytest.approx(2.718281828 ** (-150 * 0.02), rel=1e-6)
    assert true_limit(servers=1, mu=1000, quantile=0.95, limit_s=0.02) == pytest.approx(
        1000 - 2.995732 / 0.02, rel=1e-6
    )


def test_erlangs_delay_agrees_with_the_published_table() -> None:
    """Two servers at a load of 1: 1/3; and the rule that one server waits as often as it is busy."""
    assert erlang_c(2, 1.0) == pytest.approx(1 / 3)
    assert erlang_c(1, 0.7) == pytest.approx(0.7)


@pytest.mark.parametrize(("servers", "mu", "rate"), [(1, 200.0, 120.0), (4, 50.0, 150.0)])
def test_the_simulated_queue_agrees_with_the_closed_form(servers: int, mu: float, rate: float) -> None:
    queue, store = SimulatedQueue(servers, mu, seed=3), MemoryStore()
    queue.set_level(rate)
    for _ in range(300):
        store.append(*queue.next_second())
    records = store.histogram("load.response_time")
    for at_s in (0.01, 0.03, 0.06):
        share = records.count_above(round(at_s * 1e9)) / records.count
        assert share == pytest.approx(response_exceeds(at_s, rate=rate, servers=servers, mu=mu), abs=0.03)


def test_users_who_wait_for_answers_agree_with_the_arrival_theorem() -> None:
    """Thirty users of two servers; and one user never waits."""
    queue, store = SimulatedUsers(2, 50, seed=3, think_s=0.3), MemoryStore()
    queue.set_level(30)
    for _ in range(400):
        store.append(*queue.next_second())
    records = store.histogram("load.response_time")
    for at_s in (0.02, 0.06, 0.12):
        expected = users_exceed(at_s, users=30, think_s=0.3, servers=2, mu=50)
        assert records.count_above(round(at_s * 1e9)) / records.count == pytest.approx(expected, abs=0.02)
    assert users_exceed(0.02, users=1, think_s=0.3, servers=2, mu=50) == pytest.approx(2.718281828**-1)


@pytest.fixture(scope="module")
def searches() -> list[Limit]:
    return [search(SimulatedQueue(1, 1000, seed)) for seed in SEEDS]


TRUTH = true_limit(servers=1, mu=1000, quantile=0.95, limit_s=0.02)


def test_the_interval_holds_the_true_limit(searches: list[Limit]) -> None:
    held = [limit.interval is not None and limit.interval[0] <= TRUTH <= limit.interval[1] for limit in searches]
    assert sum(held) >= 15  # of 16 seeds; 100 seeds and more queues: benchmarks/bench_find_limit.py


def test_the_estimate_is_within_5_percent_in_under_5_minutes(searches: list[Limit]) -> None:
    near = [limit.estimate is not None and abs(limit.estimate / TRUTH - 1) < 0.05 for limit in searches]
    assert sum(near) >= 15
    assert max(limit.seconds for limit in searches) < 300


def test_what_is_said_to_hold_does_hold(searches: list[Limit]) -> None:
    assert sum(limit.passing is not None and limit.passing <= TRUTH for limit in searches) >= 15
    assert sum(limit.failing is not None and limit.failing >= TRUTH for limit in searches) >= 15


def test_a_queue_is_smooth_and_its_latency_decides(searches: list[Limit]) -> None:
    assert {limit.binding for limit in searches} == {"p95 < 20ms"}
    assert sum(limit.shape == "smooth" for limit in searches) >= 14


def test_the_same_seed_searches_the_same_way() -> None:
    first, second = (search(SimulatedQueue(1, 1000, seed=7)) for _ in range(2))
    assert first == second


def test_a_quick_search_takes_less_than_40_seconds_and_is_honest() -> None:
    found = [
        search(SimulatedQueue(4, 200, seed), objectives=("p95 < 40ms",), settings=SearchSettings.quick())
        for seed in range(10)
    ]
    truth = true_limit(servers=4, mu=200, quantile=0.95, limit_s=0.04)
    assert max(limit.seconds for limit in found) <= 40
    assert all((limit.passing or 0) <= truth * 1.05 for limit in found)
    assert sum(limit.estimate is not None and abs(limit.estimate / truth - 1) < 0.25 for limit in found) >= 9


# Not every server is a queue.


def test_a_cliff_of_errors_is_found_and_called_one() -> None:
    """Above 300/s one request in five fails; latency says nothing."""
    limit = search(
        SimulatedQueue(8, 400, seed=1, fails=lambda level: 0.2 if level > 300 else 0.0), objectives=("failed < 1%",)
    )
    assert limit.passing is not None
    assert limit.failing is not None
    assert limit.passing <= 300 < limit.failing <= 300 * 1.1
    assert limit.shape == "cliff"
    assert limit.binding == "failed < 1%"
    assert limit.confirmed


def test_a_server_that_never_holds_says_so() -> None:
    limit = search(SimulatedQueue(1, 10, seed=1), objectives=("p95 < 5ms",))
    assert limit.stopped_by == "never-held"
    assert limit.passing is None
    assert limit.estimate is None
    assert "even the lowest level broke" in limit.reasons[0]


def test_a_limit_below_the_first_level_is_found_downwards() -> None:
    limit = search(SimulatedQueue(2, 50, seed=2), objectives=("p95 < 200ms",), settings=SearchSettings(start_level=400))
    truth = true_limit(servers=2, mu=50, quantile=0.95, limit_s=0.2)
    assert limit.probes[0].passed is False
    assert limit.estimate == pytest.approx(truth, rel=0.1)
    assert limit.passing is not None
    assert limit.passing <= truth


def test_a_few_requests_a_second_are_no_backlog() -> None:
    """One request under way and none answered within a second is not a second of work."""
    limit = search(SimulatedQueue(1, 20, seed=2), objectives=("p95 < 300ms",))
    assert min(probe.level for probe in limit.probes) >= 2
    assert limit.estimate == pytest.approx(true_limit(servers=1, mu=20, quantile=0.95, limit_s=0.3), rel=0.35)


def test_a_server_that_passes_above_where_it_fails_is_reported_as_such() -> None:
    """Slow between 100 and 150 per second, quick above: an autoscaler that wakes late."""
    queue = SimulatedQueue(4, 500, seed=1, slower=lambda level: 8.0 if 100 < level < 150 else 1.0)
    limit = search(queue, settings=SearchSettings(start_level=120))
    if limit.monotonic:  # it went down from its first level and never saw what lies above
        assert limit.failing is not None
        assert limit.failing <= 150
    else:
        assert "not monotonic" in " ".join(limit.reasons)


def test_a_server_faster_than_the_generator_stops_at_the_generator() -> None:
    limit = search(SimulatedQueue(64, 1000, seed=1), generator_max=1000.0)
    assert limit.stopped_by == "generator"
    assert limit.failing is None
    assert limit.passing == 800.0
    assert limit.headroom == pytest.approx(1.25)
    assert max(probe.level for probe in limit.probes) <= 800


def test_a_generator_that_comes_late_is_not_blamed_on_the_server() -> None:
    late = SimulatedQueue(1, 300, seed=1, lag_ns=lambda level: 50_000_000 if level > 200 else 20_000)
    limit = search(late)
    assert limit.stopped_by == "generator"
    assert limit.probes[-1].ended_early == "the generator fell behind"
    assert limit.probes[-1].passed is None


def test_the_highest_level_to_ask_for_is_kept_to() -> None:
    limit = search(SimulatedQueue(8, 1000, seed=1), settings=SearchSettings(level_max=500))
    assert limit.stopped_by == "max-level"
    assert limit.passing == 500
    assert max(probe.level for probe in limit.probes) == 500


@pytest.mark.parametrize("unit", ["users", "connections"])
def test_the_limit_of_users_is_found_as_that_of_a_rate(unit: Any) -> None:
    """One server of 200/s, asked by users who think for a second: the truth by the arrival theorem."""
    truth = true_users(think_s=1.0, servers=1, mu=200, quantile=0.95, limit_s=0.1)
    found = [
        search(
            SimulatedUsers(1, 200, seed, think_s=1.0),
            objectives=("p95 < 100ms", "failed < 1%"),
            unit=unit,
            counts_arrivals=False,
        )
        for seed in range(5)
    ]
    assert sum(limit.interval is not None and limit.interval[0] <= truth <= limit.interval[1] for limit in found) >= 4
    assert sum(limit.estimate is not None and abs(limit.estimate / truth - 1) < 0.06 for limit in found) >= 4
    assert all(limit.passing is not None and limit.passing <= truth for limit in found)
    assert max(limit.seconds for limit in found) < 300


class SlowAtFirst(SimulatedUsers):
    """Users whose first answers take twenty times as long."""

    def next_second(self) -> tuple[int, list[Slice]]:
        self.mu = 2.5 if self.now < 8 else 50.0
        return super().next_second()


def test_slow_answers_of_few_do_not_turn_the_search_around() -> None:
    """Two users ask twice a second: late answers among sixteen say little, and the way up goes on."""
    limit = search(
        SlowAtFirst(4, 50, seed=1, think_s=1.0), objectives=("p95 < 160ms",), unit="users", counts_arrivals=False
    )
    assert limit.probes[0].margin < 0
    assert limit.probes[0].passed is None
    truth = true_users(think_s=1.0, servers=4, mu=50, quantile=0.95, limit_s=0.16)
    assert limit.estimate == pytest.approx(truth, rel=0.06)


def test_users_are_whole() -> None:
    limit = search(SimulatedQueue(1, 100, seed=1), objectives=("p95 < 100ms",), unit="users")
    assert all(probe.level == int(probe.level) for probe in limit.probes)


def test_every_probe_is_told_when_it_ends() -> None:
    told: list[Probe] = []
    limit = search(SimulatedQueue(1, 1000, seed=1), on_probe=told.append)
    assert [probe.level for probe in told] == [probe.level for probe in (*limit.probes, *limit.sudden)]


def test_a_probe_that_lost_is_followed_by_a_measured_recovery() -> None:
    limit = search(SimulatedQueue(1, 1000, seed=1), settings=SearchSettings(start_level=2000))
    lost = [probe for probe in limit.probes if probe.ended_early is not None]
    assert lost
    assert all(probe.recovery_s is not None and probe.recovery_s >= 1 for probe in lost)
    assert all(probe.end_s - probe.start_s < 10 for probe in lost)


# A load that comes at once.


class Cold(SimulatedQueue):
    """A service that is slower for a second when its load more than doubles: caches, pools, workers that start."""

    before = 0.0

    def next_second(self) -> tuple[int, list[Slice]]:
        cold, self.before = self.level > 2 * self.before, self.level
        self.slower = lambda _level: 1.6 if cold else 1.0
        return super().next_second()


def test_a_queue_takes_at_once_what_it_takes_gradually(searches: list[Limit]) -> None:
    assert all(limit.sudden for limit in searches)
    assert sum(limit.sudden_passing == limit.passing for limit in searches) >= 15
    assert all(probe.phase == "sudden" and probe.recovery_s is not None for probe in searches[0].sudden)
    assert not any(probe.phase == "sudden" for probe in searches[0].probes)


def test_a_service_that_is_cold_at_first_has_a_lower_sudden_limit() -> None:
    limit = search(Cold(4, 200, seed=1), objectives=("p95 < 60ms", "failed < 1%"))
    assert limit.passing is not None
    assert limit.sudden[0].level == limit.passing
    assert limit.sudden_failing is not None
    assert limit.sudden_passing is None or limit.sudden_passing < limit.passing
    assert any("sudden" in reason for reason in limit.reasons)
    assert len(limit.sudden) <= 3
    assert limit.seconds < 300


def test_a_quick_search_leaves_the_sudden_step_out() -> None:
    limit = search(SimulatedQueue(4, 200, 1), objectives=("p95 < 40ms",), settings=SearchSettings.quick())
    assert limit.sudden == ()
    assert limit.sudden_passing is limit.sudden_failing is None


def test_a_probe_stands_where_chance_had_its_arrivals() -> None:
    """Of 500 per second planned over 20 s, the count of a Poisson process is seldom 10,000: the fit knows what came."""
    queue = SimulatedQueue(1, 1000, seed=3)
    settings = SearchSettings(start_level=500, level_max=500, sudden_s=0)
    found = Search(queue, MemoryStore(), objectives=("p95 < 20ms",), settings=settings, counts_arrivals=True)
    probe = found.run().probes[0]
    [point] = found.evidence.points()
    assert point.level == probe.planned / (probe.end_s - probe.start_s) != 500


@pytest.mark.parametrize(
    "wrong",
    [{"longest_s": 0}, {"precision": -1.0}, {"confidence": 1.0}, {"start_level": 5.0, "level_max": 2.0}],
    ids=str,
)
def test_impossible_settings_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="search settings"):
        SearchSettings(**wrong)
