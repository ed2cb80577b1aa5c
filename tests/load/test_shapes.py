"""Load shapes: what a level means, where a ramp begins, which combinations cannot be."""

from typing import Any

import pytest

from scaleworthy.errors import InvalidInput
from scaleworthy.load import plan_for_url
from scaleworthy.load.base import duration_text
from scaleworthy.load.stages import parse_stages

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
        ({"users": 3, "intensity": "high"}, "'users' and 'intensity' exclude"),
        ({"users": 3, "test": "spike", "count": 5}, "'test' and 'count' exclude"),
        ({"test": "spike"}, "'test' needs the normal load"),
        ({"users": 3, "test": "rush"}, "spike"),
        ({"rate": "5/s", "iterations": 3}, "'iterations' goes with 'users_arrive'"),
        ({"users_arrive": "5/s", "iterations": "3..2"}, "the lower first"),
        ({"users_arrive": "5/s", "iterations": "some"}, "whole number or a range"),
        ({"rate": "5/s", "arrivals": "gamma"}, "goes with 'gamma_shape'"),
        ({"rate": "5/s", "gamma_shape": 0.5}, "goes with 'gamma_shape'"),
        ({"rate": "5/s", "replay_speed": 2.0}, "'replay_speed' needs 'replay'"),
    ],
)
def test_what_cannot_be_is_refused(load: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        native(**load)


@pytest.mark.parametrize("value_ns", [1, 999, 1_500, 10**9, 90 * 10**9, 86_400 * 10**9, 123_456_789])
def test_durations_are_written_as_they_are_read(value_ns: int) -> None:
    (stage,) = parse_stages(f"{duration_text(value_ns)}:1")
    assert stage[0] == value_ns


def test_a_level_at_once_holds_from_the_beginning_of_its_stage() -> None:
    assert levels(native(stages="1m@100/s,1m@200/s,1m:0/s")) == [
        (MINUTE, 100.0, 100.0),
        (MINUTE, 200.0, 200.0),
        (MINUTE, 200.0, 0.0),
    ]


def test_an_intensity_is_a_number_of_users() -> None:
    wanted = {"low": 50.0, "medium": 100.0, "high": 500.0, "extreme": 1_000.0}
    assert {name: native(intensity=name)["stages"][0]["to"] for name in wanted} == wanted
    assert native(intensity="low")["kind"] == "closed"


@pytest.mark.parametrize(
    ("test", "highest", "seconds"),
    [
        ("baseline", 10, 60),
        ("normal", 100, 300),
        ("peak", 250, 300),
        ("stress", 400, 300),
        ("spike", 500, 240),
        ("soak", 100, 7_260),
        ("breakpoint", 1_000, 600),
    ],
)
def test_a_named_test_is_a_shape_of_the_normal_load(test: str, highest: float, seconds: int) -> None:
    for load, kind in (({"rate": "100/s"}, "open"), ({"users": 100}, "closed")):
        shape = native(test=test, **load)
        assert shape["kind"] == kind
        assert max(max(stage["from"], stage["to"]) for stage in shape["stages"]) == highest
        assert sum(stage["duration_ns"] for stage in shape["stages"]) == seconds * 10**9
        stretched = native(test=test, **load, **{"for": "2m"})
        assert abs(sum(stage["duration_ns"] for stage in stretched["stages"]) - 2 * MINUTE) < 10


def test_a_spike_comes_and_goes_at_once() -> None:
    assert levels(native(test="spike", rate="100/s")) == [
        (MINUTE, 100.0, 100.0),
        (MINUTE, 500.0, 500.0),
        (2 * MINUTE, 100.0, 100.0),
    ]


def test_no_level_of_a_named_test_is_without_a_user() -> None:
    assert levels(native(test="baseline", users=3)) == [(MINUTE, 1.0, 1.0)]


def test_an_arriving_user_may_come_back() -> None:
    assert native(users_arrive="5/s", iterations="2..4")["iterations"] == {"min": 2, "max": 4}
    assert native(users_arrive="5/s", iterations=3)["iterations"] == {"min": 3, "max": 3}
    assert native(users_arrive="5/s")["kind"] == "open"


def test_bursts_are_given_room_to_reach_a_count() -> None:
    assert native(rate="10/s", count=100, arrivals="gamma", gamma_shape=0.1)["stages"][0]["duration_ns"] == 40 * 10**9
