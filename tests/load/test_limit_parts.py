"""The parts of the search: the isotonic fit, the noise of a queue, the early stop."""

import math

import numpy as np
import pytest

from scaleworthy.load.limit.early_stop import EarlyStop
from scaleworthy.load.limit.fit import Point, crossing, falling_blocks, fit
from scaleworthy.load.limit.line import joined_by_line
from scaleworthy.load.limit.margin import Judge, Margin, compressed, decide, design_effect, effective_size, logarithmic
from scaleworthy.load.limit.noise import PRIOR_BURST_S, PRIOR_EFFECT, Noise, Seen, learned_noise
from scaleworthy.load.second import Second
from scaleworthy.series import Histogram, MemoryStore, Objective, SeriesKey


def test_violators_are_pooled_by_weight() -> None:
    """Ayer et al.: 1 and 3 in the wrong order become their weighted mean."""
    assert falling_blocks([1, 2, 3], [5.0, 1.0, 3.0], [1, 1, 3]) == [(1, 5.0, 1), (2.75, 2.5, 4)]
    assert falling_blocks([1, 2, 3], [3.0, 2.0, 1.0], [1, 1, 1]) == [(1, 3.0, 1), (2, 2.0, 1), (3, 1.0, 1)]
    assert falling_blocks([1, 2, 3], [1.0, 2.0, 3.0], [1, 1, 1]) == [(2, 2.0, 3)]


def test_the_crossing_lies_between_the_probes_on_either_side() -> None:
    fitted = fit([Point(100, 0.5, 0.01), Point(200, -0.5, 0.01)], seed=1)
    assert fitted.estimate == pytest.approx(150, rel=0.05)
    low, high = fitted.interval(0.95)
    assert 100 < low < 150 < high < 200
    assert fitted.passes(100) == 1
    assert fitted.passes(200) == 0
    assert fitted.passes(150) == pytest.approx(0.5, abs=0.1)


def test_noise_widens_the_interval() -> None:
    def width(error: float) -> float:
        low, high = fit([Point(level, (150 - level) / 100, error) for level in range(100, 201, 10)], seed=1).interval(
            0.95
        )
        return high - low

    assert width(0.3) > 1.5 * width(0.05)


def test_one_side_alone_has_no_estimate() -> None:
    passed = fit([Point(100, 0.5, 0.01)], seed=1)
    assert passed.estimate is None
    assert passed.interval(0.95) == (math.inf, math.inf)
    assert fit([Point(100, -0.5, 0.01)], seed=1).estimate is None


def test_the_same_points_and_seed_give_the_same_fit() -> None:
    points = [Point(100, 0.3, 0.2), Point(120, 0.1, 0.2), Point(150, -0.4, 0.2)]
    assert np.array_equal(fit(points, seed=4).crossings, fit(list(reversed(points)), seed=4).crossings)


@pytest.mark.parametrize("correlation", [0.0, 0.5, 0.8])
def test_correlated_seconds_are_worth_fewer(correlation: float) -> None:
    """AR(1): n (1 - r) / (1 + r), within a third, from 400 seconds."""
    random = np.random.default_rng(5)
    values = [0.0]
    for shock in random.standard_normal(399):
        values.append(correlation * values[-1] + shock)
    expected = 400 * (1 - correlation) / (1 + correlation)
    assert effective_size(np.array(values)) == pytest.approx(expected, rel=0.34)


def test_independent_requests_have_little_design_effect_and_bursts_a_large_one() -> None:
    random = np.random.default_rng(6)
    counts = [1000.0] * 200
    independent = design_effect(random.binomial(1000, 0.05, 200).tolist(), counts, 0.05)
    bursts = design_effect([1000.0 if at % 20 == 0 else 0.0 for at in range(200)], counts, 0.05)
    assert independent < 2
    assert bursts > 500


def margin(value: float, *, effect: float = 1.0, error: float = 0.1) -> Margin:
    return Margin("p95 < 20ms", value, error, effect, 100, value, queueing=True)


def decided(*margins: Margin, noise: Noise | None = None) -> bool | None:
    return decide(margins, [(noise or Noise()).error_of(margin, 20) for margin in margins], z=2.0)


def test_a_probe_is_undecided_while_its_interval_holds_the_limit() -> None:
    assert decided(margin(0.3)) is True
    assert decided(margin(-0.3)) is False
    assert decided(margin(0.1)) is None
    assert decided(margin(0.3), noise=Noise({"p95 < 20ms": 9.0})) is None
    assert decided(margin(0.3), noise=Noise(variances={"p95 < 20ms": 20 * 0.2**2})) is None


def test_one_broken_objective_is_enough() -> None:
    assert decided(margin(0.9), margin(-0.9)) is False
    assert decided(margin(0.9), margin(0.0)) is None


def test_quiet_probes_learn_from_the_others() -> None:
    """Only probes at the limit teach; what is known before counts as twenty seconds."""
    seen = [
        Seen(100, 20, [margin(0.1, effect=300)], lost=False),
        Seen(40, 500, [margin(0.9, effect=1)], lost=False),
        Seen(100, 500, [margin(-2, effect=9999)], lost=True),
    ]
    noise = learned_noise(seen, broke=105)
    assert noise.effects["p95 < 20ms"] == pytest.approx((300 + PRIOR_EFFECT) / 2)
    assert noise.variances["p95 < 20ms"] == pytest.approx(20 * 0.1**2 * 300)
    assert learned_noise(seen, broke=None) == Noise()


def test_a_burst_of_few_requests_is_small() -> None:
    """At 20 requests per second a burst of 0.6 s holds a dozen, not the hundred of a faster service."""
    seen = [Seen(20, 10, [margin(0.3)], lost=False, requests_per_s=20.0)]
    assert learned_noise(seen, broke=40).effects["p95 < 20ms"] == pytest.approx(PRIOR_BURST_S * 20)


def test_few_samples_decide_nothing() -> None:
    """Of 50 requests one is late: their p99 is the maximum, and says nothing about the p99."""
    store = MemoryStore()
    for second in range(5):
        records = Histogram()
        records.record(10_000_000, 10)
        if second == 2:
            records.record(500_000_000)
        store.append(second, [(SeriesKey("load.response_time", (), "ns", "histogram"), records)])
    [found] = Judge(["p99 < 100ms"], store).margins((0, 5)) or []
    assert found.value < 0
    assert decided(found) is None


# The line through limit / value.


def queue_like(*levels: float, error: float = 0.05) -> list[Point]:
    """Points of a server of 200/s whose p95 reaches its limit at 170/s: limit / p95 = (200 - level) / 30."""
    return [Point(level, math.log((200 - level) / 30), error) for level in levels]


def test_a_line_finds_the_limit_of_a_queue_from_one_side() -> None:
    points = [*queue_like(130, 140, 150, 160), Point(250, -2.0, 0.1, cut=True)]
    assert fit(points, seed=1).estimate == pytest.approx(170, rel=0.06)


def test_a_line_makes_the_interval_of_a_queue_narrower() -> None:
    levels = np.array([150.0, 160.0, 168.0, 172.0, 180.0])
    margins = np.log((200 - levels) / 30)
    draws = margins + 0.08 * np.random.default_rng(1).standard_normal((400, 5))
    alone = np.array([crossing(levels, draw, np.ones(5), np.random.default_rng(2)) for draw in draws])
    joined = joined_by_line(alone, levels, draws, np.full(5, 0.08))
    assert np.median(joined) == pytest.approx(170, rel=0.02)
    assert joined.std() < 0.9 * alone.std()


def test_a_line_says_nothing_of_a_cliff_or_of_one_level() -> None:
    """No slope, or no spread: the isotonic crossings stay as they are."""
    draws = np.random.default_rng(1).normal(0.9, 0.001, (50, 4))
    crossings = np.full(50, 302.0)
    flat = joined_by_line(crossings, np.array([250.0, 270.0, 290.0, 300.0]), draws, np.full(4, 0.01))
    assert np.array_equal(flat, crossings)
    same = joined_by_line(crossings, np.full(4, 300.0), draws, np.full(4, 0.01))
    assert np.array_equal(same, crossings)


def test_margins_meet_at_the_limit() -> None:
    assert compressed(0.0) == logarithmic(0.0) == 0
    assert compressed(0.4) == 0.4
    assert logarithmic(0.5) == pytest.approx(math.log(2))
    assert compressed(-1.0) == logarithmic(-1.0) == pytest.approx(-math.log(2))
    assert compressed(-1e9) == logarithmic(-1e9) == -2
    assert logarithmic(1.0) == 2


def watched(
    *seconds: Second, objectives: tuple[str, ...] = ("p95 < 100ms", "failed < 1%"), usual_s: float | None = None
) -> list[str | None]:
    watch = EarlyStop([Objective.parse(text) for text in objectives], usual_s=usual_s)
    return [watch.reason_to_stop(second) for second in seconds]


def second_of(
    *, planned: int = 100, answered: int = 100, failed: int = 0, in_flight: float = 5, waiting: float = 0
) -> Second:
    return Second(
        0, planned=planned, started=planned, answered=answered, failed=failed, in_flight=in_flight, waiting=waiting
    )


def test_errors_end_a_probe_within_seconds() -> None:
    assert watched(second_of(failed=50))[0] is not None
    assert any(reason is not None for reason in watched(*[second_of(failed=5)] * 5))


def test_few_errors_do_not() -> None:
    assert watched(*[second_of(failed=0)] * 50) == [None] * 50
    assert watched(*[second_of(planned=1000, answered=1000, failed=2)] * 50) == [None] * 50


def test_a_target_that_turns_bad_does_not_pay_back_its_past() -> None:
    reasons = watched(*[second_of(answered=1000)] * 50, *[second_of(answered=1000, failed=100)] * 2)
    assert reasons[-1] is not None


def test_a_backlog_that_takes_too_long_to_clear_ends_a_probe() -> None:
    reasons = watched(second_of(), second_of(in_flight=40, waiting=30))
    assert reasons == [None, "backlog: 70 requests under way, 0.7 s of work"]


def test_a_backlog_that_grows_steadily_ends_a_probe() -> None:
    reasons = watched(*[second_of(planned=200, answered=180, in_flight=20.0 * (at + 1)) for at in range(5)])
    assert reasons[-1] is not None
    assert reasons[:4] == [None] * 4


STREAMS = ("p95(load.stream.first) < 50ms", "failed < 1%")


def test_long_streams_under_way_are_no_backlog() -> None:
    """Ten a second that take ten seconds each: a hundred are under way at last, and none waits."""
    seconds = [
        second_of(planned=10, answered=0 if at < 10 else 10, in_flight=10.0 * min(at + 1, 10)) for at in range(30)
    ]
    assert watched(*seconds, objectives=STREAMS) == [None] * 30
    assert watched(*seconds, objectives=STREAMS, usual_s=10) == [None] * 30
    assert watched(*seconds, objectives=("p95 < 50ms",))[-1] is not None


def test_streams_that_pile_up_end_a_probe_once_it_is_known_what_one_takes() -> None:
    seconds = [second_of(planned=100, answered=20, in_flight=80.0 * (at + 1)) for at in range(10)]
    assert watched(*seconds, objectives=STREAMS)[-1] is None
    assert watched(*seconds, objectives=STREAMS, usual_s=1)[-1] is not None


def test_a_backlog_that_comes_and_goes_does_not() -> None:
    assert watched(*[second_of(in_flight=10 + 5 * (at % 3)) for at in range(30)]) == [None] * 30
