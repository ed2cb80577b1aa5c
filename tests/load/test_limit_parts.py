"""The parts of the search: the isotonic fit, the noise of a queue, the early stop."""

import math

import numpy as np
import pytest

from scaleworthy.load.limit.early_stop import EarlyStop
from scaleworthy.load.limit.fit import Point, falling_blocks, fit
from scaleworthy.load.limit.margin import Margin, compressed, decide, design_effect, effective_size, logarithmic
from scaleworthy.load.limit.noise import PRIOR_EFFECT, Seen, learned_effects
from scaleworthy.load.second import Second
from scaleworthy.series import Objective


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


def test_a_probe_is_undecided_while_its_interval_holds_the_limit() -> None:
    assert decide([margin(0.3)], z=2.0) is True
    assert decide([margin(-0.3)], z=2.0) is False
    assert decide([margin(0.1)], z=2.0) is None
    assert decide([margin(0.3)], z=2.0, design_effects={"p95 < 20ms": 9.0}) is None


def test_one_broken_objective_is_enough() -> None:
    assert decide([margin(0.9), margin(-0.9)], z=2.0) is False
    assert decide([margin(0.9), margin(0.0)], z=2.0) is None


def test_quiet_probes_learn_from_the_others() -> None:
    """Only probes at the limit teach; what is known before counts as twenty seconds."""
    seen = [
        Seen(100, 20, [margin(0.1, effect=300)], lost=False),
        Seen(40, 500, [margin(0.9, effect=1)], lost=False),
        Seen(100, 500, [margin(-2, effect=9999)], lost=True),
    ]
    assert learned_effects(seen, broke=105)["p95 < 20ms"] == pytest.approx((300 + PRIOR_EFFECT) / 2)
    assert learned_effects(seen, broke=None) == {}


def test_margins_meet_at_the_limit() -> None:
    assert compressed(0.0) == logarithmic(0.0) == 0
    assert compressed(0.4) == 0.4
    assert logarithmic(0.5) == pytest.approx(math.log(2))
    assert compressed(-1.0) == logarithmic(-1.0) == pytest.approx(-math.log(2))
    assert compressed(-1e9) == logarithmic(-1e9) == -2
    assert logarithmic(1.0) == 2


def watched(*seconds: Second, objectives: tuple[str, ...] = ("p95 < 100ms", "failed < 1%")) -> list[str | None]:
    watch = EarlyStop([Objective.parse(text) for text in objectives])
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


def test_a_backlog_that_comes_and_goes_does_not() -> None:
    assert watched(*[second_of(in_flight=10 + 5 * (at % 3)) for at in range(30)]) == [None] * 30
