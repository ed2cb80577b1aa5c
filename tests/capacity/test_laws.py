"""The operational laws, against closed forms."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scaleworthy.capacity.laws import CapacityError, Line, bounds, ceiling, little, time_held_s

# Base 0.1 and slope 0.004 on purpose: a ceiling that forgets the base, or divides the wrong way, shows.
LINE = Line(base=0.1, slope=0.004)


def test_a_ceiling_is_where_usage_reaches_the_limit() -> None:
    assert ceiling(LINE, 1.0).rate_per_s == pytest.approx(225.0)
    assert LINE.usage(225.0) == pytest.approx(1.0)


def test_a_resource_that_requests_do_not_use_has_no_ceiling() -> None:
    assert ceiling(Line(base=0.4, slope=0.0), 1.0).rate_per_s is None


def test_a_resource_used_up_at_no_load_carries_nothing() -> None:
    assert ceiling(Line(base=2.0, slope=0.004), 1.0).rate_per_s == 0.0


def test_a_limit_of_zero_is_refused() -> None:
    with pytest.raises(CapacityError, match="above zero, got 0"):
        ceiling(LINE, 0.0)


def test_the_interval_of_a_ceiling_holds_both_ends_of_the_line_s_uncertainty() -> None:
    """Fieller's ends are the rates at which the limit lies on the border of the line's own interval."""
    line = Line(base=0.1, slope=0.004, base_variance=1e-4, slope_variance=1e-8, covariance=-8e-7, t=2.2)
    found = ceiling(line, 1.0)

    assert found.low_per_s is not None
    assert found.high_per_s is not None
    assert found.rate_per_s is not None
    assert found.low_per_s < found.rate_per_s < found.high_per_s
    assert line.usage_interval(found.low_per_s)[1] == pytest.approx(1.0)
    assert line.usage_interval(found.high_per_s)[0] == pytest.approx(1.0)


def test_a_demand_not_told_from_zero_leaves_the_upper_end_open() -> None:
    line = Line(base=0.1, slope=0.004, base_variance=1e-4, slope_variance=4e-6, t=2.2)
    found = ceiling(line, 1.0)

    assert found.high_per_s is None
    assert found.low_per_s is not None
    assert line.usage_interval(found.low_per_s)[1] == pytest.approx(1.0)


def test_little_holds_both_ways() -> None:
    present = little(rate_per_s=200.0, time_s=0.035)

    assert present == pytest.approx(7.0)
    assert time_held_s(present=present, rate_per_s=200.0) == pytest.approx(0.035)
    with pytest.raises(CapacityError, match="above zero"):
        time_held_s(present=1.0, rate_per_s=0.0)


def test_bounds_of_a_closed_system() -> None:
    """Demands 5, 2 and 1 ms with 1 s of thinking: the knee is at 1.008/0.005 users."""
    below, above = (bounds([0.005, 0.002, 0.001], users=n, think_s=1.0) for n in (100.0, 400.0))

    assert below.users_knee == pytest.approx(201.6)
    assert below.rate_max_per_s == pytest.approx(100 / 1.008)
    assert below.time_min_s == pytest.approx(0.008)
    assert above.rate_max_per_s == pytest.approx(200.0)
    assert above.time_min_s == pytest.approx(400 * 0.005 - 1.0)


@pytest.mark.parametrize(
    ("demands", "users", "think"), [([], 1, 0), ([0.0], 1, 0), ([-1.0, 2.0], 1, 0), ([1.0], 0, 0), ([1.0], 1, -1)]
)
def test_bounds_refuse_what_has_no_meaning(demands: list[float], users: float, think: float) -> None:
    with pytest.raises(CapacityError):
        bounds(demands, users=users, think_s=think)


@given(
    demands=st.lists(st.floats(1e-5, 1.0), min_size=1, max_size=5),
    users=st.floats(0.1, 1e4),
    think=st.floats(0.0, 100.0),
)
def test_bounds_agree_with_little(demands: list[float], users: float, think: float) -> None:
    """No system beats its bounds: at the throughput bound, users − X·Z requests take at least their share of time."""
    found = bounds(demands, users=users, think_s=think)

    present = users - found.rate_max_per_s * think
    assert present / found.rate_max_per_s == pytest.approx(found.time_min_s, rel=1e-6, abs=1e-6)
