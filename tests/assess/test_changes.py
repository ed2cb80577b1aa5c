"""A change is called better or worse only where both intervals allow no other reading."""

import pytest

from scaleworthy.assess.changes import change
from scaleworthy.report.model import Measured


def measured(value: float, low: float, high: float) -> Measured:
    return Measured(value, "ms", (low, high), 100)


def test_the_ratio_has_the_widest_interval_that_both_allow() -> None:
    found = change("limit", measured(40, 38, 44), measured(180, 171, 190), higher_is_better=True)

    assert found.ratio == pytest.approx(4.5)
    assert found.ratio_interval == pytest.approx((171 / 44, 190 / 38))
    assert found.better is True


@pytest.mark.parametrize(("higher_is_better", "expected"), [(True, False), (False, True)])
def test_which_way_is_better_depends_on_the_quantity(higher_is_better: bool, expected: bool) -> None:
    found = change("x", measured(100, 90, 110), measured(50, 40, 60), higher_is_better=higher_is_better)

    assert found.better is expected


def test_overlapping_intervals_are_unsure() -> None:
    assert change("x", measured(100, 80, 120), measured(110, 90, 130), higher_is_better=True).better is None


def test_without_a_value_before_there_is_no_ratio() -> None:
    found = change("x", Measured(None, "ms"), measured(1, 0.9, 1.1), higher_is_better=False)

    assert (found.ratio, found.ratio_interval, found.better) == (None, None, None)
