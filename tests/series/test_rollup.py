"""Rows of ten seconds or a minute answer as rows of one second do, for windows on their borders."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scaleworthy.errors import UsageError
from scaleworthy.series import Histogram, MemoryStore, SeriesKey, roll_up
from scaleworthy.series.rollup import WIDTHS_S

LATENCY = [SeriesKey.of("load.response_time", "histogram", "ns", {"step": step}) for step in "ab"]
COUNTER = [SeriesKey.of("load.answered", "counter", "requests", {"step": step}) for step in "ab"]
GAUGE = SeriesKey.of("host.cpu", "gauge", "ratio")
QUANTILES = (0.0, 0.5, 0.95, 0.999, 1.0)


@given(
    rows=st.lists(
        st.tuples(st.integers(-130, 130), st.integers(0, 1), st.integers(0, 2**40), st.integers(0, 1000)), max_size=60
    ),
    width=st.sampled_from(WIDTHS_S),
    borders=st.tuples(st.integers(-3, 3), st.integers(-3, 3)).map(sorted),
)
def test_windows_on_the_borders_of_rows_have_the_same_answers(rows, width: int, borders: list[int]) -> None:
    store = MemoryStore()
    for second, which, value, amount in rows:
        records = Histogram()
        records.record(value, amount)
        store.append(second, [(LATENCY[which], records), (COUNTER[which], amount)])
    window = (borders[0] * width, borders[1] * width)
    rolled = roll_up(store, width)

    for labels in ({}, {"step": "a"}):
        asked = {"labels": labels, "window": window}
        assert rolled.histogram("load.response_time", **asked) == store.histogram("load.response_time", **asked)
        assert rolled.total("load.answered", **asked) == store.total("load.answered", **asked)
        assert rolled.by_label("load.answered", "step", **asked) == store.by_label("load.answered", "step", **asked)
    assert rolled.keys() == store.keys()


@given(values=st.lists(st.integers(0, 1000), min_size=120, max_size=120), width=st.sampled_from(WIDTHS_S))
def test_a_gauge_keeps_its_mean_where_rows_are_full(values: list[int], width: int) -> None:
    store = MemoryStore()
    for second, value in enumerate(values):
        store.append(second, [(GAUGE, value)])
    rolled = roll_up(store, width)

    assert rolled.mean("host.cpu") == pytest.approx(store.mean("host.cpu"))
    assert rolled.mean("host.cpu", window=(60, 120)) == pytest.approx(store.mean("host.cpu", window=(60, 120)))
    assert rolled.per_second("host.cpu")[0].tolist() == list(range(0, 120, width))


def test_what_was_noted_is_kept_and_the_rolled_up_store_is_its_own() -> None:
    store = MemoryStore({"seed": 3})
    store.append(5, [(COUNTER[0], 1)])
    store.put_fact("setting", "work_mem", "4MB")
    store.add_event(5.0, "probe", "first")
    rolled = roll_up(store, 10)
    rolled.append(15, [(COUNTER[0], 1), (GAUGE, 1)])

    assert (rolled.run, rolled.facts("setting"), len(rolled.events())) == ({"seed": 3}, {"work_mem": "4MB"}, 1)
    assert rolled.total("load.answered") == 2
    assert (store.total("load.answered"), len(store.keys())) == (1, 1)


def test_a_row_has_some_width() -> None:
    with pytest.raises(UsageError, match="at least 1 second, got 0"):
        roll_up(MemoryStore(), 0)
