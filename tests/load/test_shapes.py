"""Load shapes: what a level means, where a ramp begins, which combinations cannot be."""

from typing import Any

import pytest

from scaleworthy.errors import InvalidInput
from scaleworthy.load import plan_for_url
from scaleworthy.load.base import duration_text
from scaleworthy.load.shapes import parse_stages

MINUTE = 60 * 10**9


def native(**load: Any) -> dict[str, Any]:
    shape: dict[str, Any] = plan_for_url("http://127.0.0.1/", load=load).load.to_native()
    return shape


def levels(shape: dict[str, Any]) -> list[tuple[int, float, float]]:
    return [(stage["duration_ns"], stage["from"], stage["to"]) for stage in shape["stages"]]


def test_stages_climb_from_nothing_hold_and_come_down() -> None:
    shape = native(stages="2m:100,5m:100,1m:0")

    assert shape["kind"] == "closed"
    assert levels(shape) == [(2 * MINUTE, 0.0, 100.0), (5 * MINUTE, 100.0, 100.0), (MINUTE, 100.0, 0.0)]


def test_stages_start_at_the_level_that_is_given() -> None:
    assert levels(native(users=20, stages="1m:100")) == [(MINUTE, 20.0, 100.0)]
    assert levels(native(rate="20/s", stages="1m:100")) == [(MINUTE, 20.0, 100.0)]


def test_a_stage_of_no_length_changes_the_level_at_once() -> None:
    assert levels(native(rate="5/s", stages="1m:5/s,0s:20/s,1m:20/s")) == [(MINUTE, 5.0, 5.0), (MINUTE, 20.0, 20.0)]


def test_stages_are_rates_where_they_say_so_or_a_rate_is_given() -> None:
    assert native(stages="1m:100/s")["kind"] == "open"
    assert native(stages="1m:600/m")["stages"][0]["to"] == 10.0
    assert native(rate="5/s", stages="1m:100")["kind"] == "open"


def test_arrivals_are_random_unless_said_otherwise() -> None:
    assert native(rate="5/s")["arrivals"] == "poisson"
    assert native(rate="5/s", arrivals="constant")["arrivals"] == "constant"


def test_a_counted_open_run_lasts_long_enough_for_its_count() -> None:
    """Twice the mean time and 20 gaps: Poisson arrivals come late by chance."""
    shape = native(rate="10/s", count=100)
    assert shape["count"] == 100
    assert shape["stages"][0]["duration_ns"] == 22 * 10**9


@pytest.mark.parametrize(
    ("load", "said"),
    [
        ({}, "needs 'rate'"),
        ({"count": 3}, "needs 'rate'"),
        ({"rate": "5/s", "users": 3}, "exclude each other"),
        ({"rate": "5/s", "count": 3, "stages": "1m:3"}, "'count' and 'stages' exclude"),
        ({"users": 3, "stages": "1m:3/s"}, "needs stages of users"),
        ({"users": 3, "arrivals": "poisson"}, "'arrivals' needs a rate"),
        ({"users": 0}, "at least 1"),
        ({"users": 1.5}, "whole number"),
        ({"stages": "1m:0,2m:0"}, "never ask for any load"),
        ({"stages": "1m:1.5"}, "whole numbers"),
        ({"stages": "1m:1,1m:1/s"}, "all be rates"),
        ({"stages": "1m"}, "stage 1 must be duration:level"),
        ({"stages": "1m:1,,1m:1"}, "stage 2 must be duration:level"),
        ({"stages": "0s:5"}, "one must last"),
        ({"rate": "5/s", "for": "8d"}, "at most 7d"),
    ],
)
def test_what_cannot_be_is_refused(load: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        native(**load)


@pytest.mark.parametrize("value_ns", [1, 999, 1_500, 10**9, 90 * 10**9, 86_400 * 10**9, 123_456_789])
def test_durations_are_written_as_they_are_read(value_ns: int) -> None:
    (stage,) = parse_stages(f"{duration_text(value_ns)}:1")
    assert stage[0] == value_ns
