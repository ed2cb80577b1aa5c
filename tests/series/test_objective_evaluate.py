"""What an objective says of a run: value, samples, interval, margin, the worst window; and when it cannot say."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from scaleworthy.series import Histogram, MemoryStore, Objective, Outcome, SeriesKey
from scaleworthy.series.objectives.measure import wilson

MS = 10**6
START = 1_700_000_000


def counter(name: str, **labels: str) -> SeriesKey:
    return SeriesKey.of(f"load.{name}", "counter", "requests", labels)


def latency(**labels: str) -> SeriesKey:
    return SeriesKey.of("load.response_time", "histogram", "ns", labels)


def records(*values_ms: float) -> Histogram:
    histogram = Histogram()
    for value in values_ms:
        histogram.record(round(value * MS))
    return histogram


def run_of(*seconds_ms: float | None) -> MemoryStore:
    """A run that answered ten requests a second, in as many ms as given; None is a second without an answer."""
    store = MemoryStore()
    for second, value in enumerate(seconds_ms, START):
        started = [(counter("started", step="a"), 10)]
        store.append(second, started if value is None else [*started, (latency(step="a"), records(*[value] * 10))])
    return store


def judge(text: str, store: MemoryStore, window: tuple[int, int] | None = None) -> Outcome:
    return Objective.parse(text).evaluate(store, window)


def test_a_quantile_comes_with_its_samples_interval_and_margin() -> None:
    store = MemoryStore()
    store.append(START, [(latency(step="a"), records(*range(1, 501))), (latency(step="b"), records(*range(501, 1001)))])

    outcome = judge("p95 < 800ms", store)

    assert outcome.held is False
    assert outcome.value == pytest.approx(950 * MS, rel=0.001)
    assert (outcome.limit, outcome.unit, outcome.count, outcome.why) == (800 * MS, "ns", 1000, "")
    # P(B <= 936) = 0.0276 and P(B <= 935) = 0.0203 of Binomial(1000, 0.95): ranks 936 and 964.
    low, high = outcome.interval or (0, 0)
    assert (low, high) == (pytest.approx(936 * MS, rel=0.002), pytest.approx(964 * MS, rel=0.002))
    assert outcome.margin == pytest.approx((800 - 950) / 800, rel=0.01)
    assert outcome.text == "p95 < 800ms"


def test_labels_choose_the_series() -> None:
    store = MemoryStore()
    store.append(START, [(latency(step="a"), records(10)), (latency(step="b"), records(20))])

    assert judge('max{step="a"} < 15ms', store).value == 10 * MS
    assert judge('max{step="b"} < 15ms', store).held is False
    assert judge("mean < 15ms", store).value == 15 * MS
    assert judge("min >= 10ms", store).held is True


def test_failed_is_the_share_of_the_started_with_a_wilson_interval() -> None:
    store = MemoryStore()
    store.append(START, [(counter("started", step="a"), 900), (counter("started", step="b"), 100)])
    store.append(START + 1, [(counter("failed", step="b"), 5)])

    outcome = judge("failed < 1%", store)

    assert (outcome.held, outcome.value, outcome.count) == (True, 0.005, 1000)
    assert outcome.margin == pytest.approx(0.5)
    expected = binomtest(5, 1000).proportion_ci(method="wilson")
    assert outcome.interval == (pytest.approx(expected.low), pytest.approx(expected.high))
    assert judge('failed{step="b"} < 1%', store).value == 0.05
    assert judge('failed{step="a"} < 1%', store).value == 0.0


@given(whole=st.integers(1, 10_000), data=st.data())
def test_the_interval_of_a_share_is_scipys_and_holds_the_share(whole: int, data: st.DataObject) -> None:
    part = data.draw(st.integers(0, whole))
    expected = binomtest(part, whole).proportion_ci(method="wilson")
    low, high = wilson(part, whole)

    assert (low, high) == (pytest.approx(expected.low, abs=1e-12), pytest.approx(expected.high, abs=1e-12))
    assert low <= part / whole <= high


def test_the_interval_of_none_begins_at_0_and_that_of_all_ends_at_1() -> None:
    for whole in range(1, 1_000):
        assert wilson(0, whole)[0] == 0.0
        assert wilson(whole, whole)[1] == 1.0


@pytest.mark.parametrize("window", [(START - 5, START), (START + 2, START + 9)], ids=["before", "after"])
def test_a_counter_is_unknown_outside_its_run(window: tuple[int, int]) -> None:
    outcome = judge("rate > 1/s", run_of(5, 5), window)

    assert (outcome.held, outcome.why) == (None, "nothing was measured of load.answered in that time")


def test_a_counter_that_never_counted_is_zero_when_its_run_was_measured() -> None:
    store = run_of(5, 5)

    assert judge("failed < 1%", store).held is True
    assert judge("total(load.failed) < 5", store).value == 0
    assert judge('total(load.statuses{status="500"}) < 1', store).value == 0


def test_a_rate_is_per_second_of_the_run_not_of_the_seconds_that_counted() -> None:
    store = run_of(None, None, None, None)
    store.append(START + 1, [(counter("answered", step="a"), 100)])

    assert judge("rate > 20/s", store).value == 25
    assert judge("rate > 20/s", store, (START + 1, START + 3)).value == 50
    assert judge("rate > 20/s", store).margin == pytest.approx(0.25)


def test_a_gauge_is_judged_over_its_seconds_summed_over_series() -> None:
    store = MemoryStore()
    for second, (one, two) in enumerate([(1, 2), (3, 4), (5, 6)], START):
        key = [SeriesKey.of("process.memory", "gauge", "bytes", {"role": role}) for role in ("http", "postgres")]
        store.append(second, [(key[0], one), (key[1], two)])

    assert judge("mean(process.memory) < 100B", store).value == 7
    assert judge("max(process.memory) < 100B", store).value == 11
    assert judge('min(process.memory{role="postgres"}) > 1B', store).value == 2
    assert judge("mean(process.memory) < 100B", store).count == 3


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("mean(host.cpu) < 80%", "nothing was measured of host.*"),
        ('p95{step="logn"} < 1s', "nothing was measured with step='logn': did you mean login?"),
        ("p95(load.service_time) < 1s", "no records of load.service_time"),
        ("mean(load.connections) < 5", "no values of load.connections"),
        ("not_started < 1%", "load.planned is 0"),
        ("p95 < 1s over 10s", "10 s are needed, 2 s were measured"),
        ("p95 < 1s over 2s for 3s", "4 s are needed, 2 s were measured"),
    ],
)
def test_without_data_nothing_held_and_the_reason_is_said(text: str, why: str) -> None:
    store = MemoryStore()
    for second in (START, START + 1):
        store.append(second, [(latency(step="login"), records(5)), (counter("started", step="login"), 1)])

    outcome = judge(text, store)

    assert (outcome.held, outcome.value, outcome.margin, outcome.interval) == (None, None, None, None)
    assert outcome.why == why


def test_an_empty_store_says_so() -> None:
    assert judge("p95 < 1s over 10s", MemoryStore()).why == "nothing was measured of load.*"


def test_over_finds_the_worst_window_and_holds_only_if_all_held() -> None:
    store = run_of(1, 1, 9, 9, 1, 1)

    worst = judge("mean < 8ms over 2s", store)

    assert (worst.held, worst.value, worst.window) == (False, 9 * MS, (START + 2, START + 4))
    assert judge("mean < 8ms", store).held is True
    assert judge("mean < 8ms over 3s", store).value == pytest.approx((9 + 9 + 1) / 3 * MS)
    assert judge("mean > 1ms over 2s", store).held is False
    assert judge("mean >= 1ms over 2s", store).window == (START, START + 2)


@pytest.mark.parametrize(("length", "held"), [(3, False), (4, True)])
def test_for_forgives_what_lasts_less(length: int, held: bool) -> None:
    """Three seconds above the limit break `for 3s` and not `for 4s`; the deciding value is the least bad of the stretch."""
    outcome = judge(f"max < 8ms for {length}s", run_of(1, 10, 12, 11, 1, 1, 20))

    assert outcome.held is held
    assert outcome.value == (10 * MS if not held else 1 * MS)
    assert outcome.window == ((START + 1, START + 4) if not held else (START, START + 4))


def test_over_and_for_together_slide_windows_over_a_stretch() -> None:
    """Windows of 2 s, broken three in a row: from second 1 on, to second 4 inclusive."""
    outcome = judge("min < 8ms over 2s for 3s", run_of(1, 9, 10, 11, 12, 1))

    assert (outcome.held, outcome.value, outcome.window) == (False, 9 * MS, (START + 1, START + 5))


def test_a_second_without_data_does_not_count_as_broken() -> None:
    store = run_of(9, 9, None, 9, 9)

    assert judge("max < 8ms for 2s", store).held is False
    outcome = judge("max < 8ms for 3s", store)
    assert (outcome.held, outcome.why) == (None, "no 3 s in a row have a value")


def test_a_window_narrows_what_is_judged() -> None:
    store = run_of(1, 1, 9, 9)

    assert judge("max < 8ms", store, (START, START + 2)).held is True
    assert judge("max < 8ms over 1s", store, (START, START + 3)).window == (START + 2, START + 3)


def test_a_limit_of_nothing_has_a_margin_of_its_own() -> None:
    store = MemoryStore()
    store.append(START, [(counter("started"), 10), (counter("failed"), 1)])

    assert judge("failed <= 0%", store).margin == -0.1


@given(values=st.lists(st.integers(1, 20), min_size=1, max_size=12), over=st.integers(1, 4), stretch=st.integers(1, 4))
def test_for_and_over_mean_what_their_definition_says(values: list[int], over: int, stretch: int) -> None:
    """Broken exactly when some *stretch* windows in a row, a second apart, have each a maximum at or above the limit."""
    outcome = judge(f"max < 10ms over {over}s for {stretch}s", run_of(*values))
    broken = [max(values[at : at + over]) >= 10 for at in range(len(values) - over + 1)]
    stretches = [all(broken[at : at + stretch]) for at in range(len(broken) - stretch + 1)]

    assert outcome.held == (None if not stretches else not any(stretches))
