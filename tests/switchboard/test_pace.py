"""Jitter, loss and late frames of a stream, held against what the definitions say."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scaleworthy.switchboard.media.pace import FRAME_NS, Pace

MS = 1_000_000


def told(delays_ms: list[float], numbers: list[int] | None = None) -> Pace:
    """Frame n comes its delay after n frames' time."""
    pace = Pace()
    for at, delay in enumerate(delays_ms):
        place = at if numbers is None else numbers[at]
        pace.came(round(place * FRAME_NS + delay * MS), None if numbers is None else numbers[at] % 65_536)
    return pace


@settings(max_examples=100, deadline=None)
@given(delays=st.lists(st.floats(0, 19), min_size=2, max_size=60))
def test_jitter_is_that_of_rfc_3550(delays: list[float]) -> None:
    """J += (|D| - J) / 16, D the change of transit between frames in the order in which they came."""
    expected = 0.0
    for before, delay in itertools.pairwise(delays):
        expected += (abs(delay - before) - expected) / 16

    pace = told(delays)

    assert pace.jitter_ns / MS == pytest.approx(expected, abs=1e-5)
    assert (pace.received, pace.lost, pace.late) == (len(delays), 0, 0)


def test_late_is_more_than_a_frame_behind_the_quickest() -> None:
    assert told([5, 5, 25, 5]).late == 0
    assert told([5, 5, 25.1, 5]).late == 1
    assert told([25, 5, 25.1, 5]).late == 1  # the quickest so far: the first frame was not
    assert told([0] * 10 + [300, 280, 260, 240, 220, 200, 180, 160, 140, 120, 100, 80, 60, 40, 20, 0]).late == 14


def test_what_a_pause_left_out_is_lost_and_what_follows_is_not_late() -> None:
    """Frames without numbers that stop for two seconds and go on at their pace: 100 frames never came."""
    pace = told([0.0] * 10 + [2000.0] * 200)

    assert (pace.lost, pace.late, pace.received) == (100, 0, 210)


@settings(max_examples=60, deadline=None)
@given(first=st.integers(0, 65_535), missing=st.sets(st.integers(1, 198), max_size=40))
def test_numbers_that_never_come_are_lost_also_where_they_begin_anew(first: int, missing: set[int]) -> None:
    numbers = [first + at for at in range(200) if at not in missing]

    pace = told([0.0] * len(numbers), numbers)

    assert (pace.lost, pace.received) == (len(missing), 200 - len(missing))
    assert pace.late == 0


def test_frames_in_another_order_are_none_that_are_lost() -> None:
    assert told([0.0] * 6, [10, 12, 11, 13, 15, 14]).lost == 0


def test_frames_ahead_of_time_are_counted() -> None:
    pace = Pace()
    for _ in range(100):
        pace.came(0)

    assert pace.ahead(0) == 99
    assert pace.ahead(10 * FRAME_NS) == 89
