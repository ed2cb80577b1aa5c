"""The native table answers as plain Python does, and no block it is given brings it down."""

from __future__ import annotations

from collections import defaultdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scaleworthy._native import Histogram, SliceTable

KINDS = ("histogram", "counter", "gauge", "histogram", "counter", "gauge")
NUMBERS = st.integers(-(10**9), 10**9).map(float) | st.floats(-1e6, 1e6)


@st.composite
def slices(draw: st.DrawFn) -> tuple[int, int, Histogram | float]:
    series = draw(st.integers(0, len(KINDS) - 1))
    if KINDS[series] != "histogram":
        return draw(st.integers(-20, 20)), series, draw(NUMBERS)
    histogram = Histogram()
    for value in draw(st.lists(st.integers(0, 2**43), max_size=4)):
        histogram.record(value)
    return draw(st.integers(-20, 20)), series, histogram


def table_of_kinds() -> SliceTable:
    table = SliceTable()
    for kind in KINDS:
        table.add_series(kind)
    return table


@given(rows=st.lists(slices(), max_size=40), window=st.none() | st.tuples(st.integers(-25, 25), st.integers(-25, 25)))
def test_queries_answer_as_plain_python_does(rows, window) -> None:
    table, loaded = table_of_kinds(), table_of_kinds()
    blocks, held, gauges = [], defaultdict(list), {}
    for second, series, value in rows:
        blocks.append((second, table.append(second=second, series=[series], values=[value])))
        held[series, second].append(value)
        gauges[series, second] = value
    loaded.load(blocks)
    start, end = window or (-100, 100)

    merged, records = Histogram(), defaultdict(Histogram)
    sums: dict[int, float] = {}
    for (series, second), values in sorted(held.items(), key=lambda item: item[0]):
        if not start <= second < end:
            continue
        if KINDS[series] == "histogram":
            for value in values:
                merged.merge(value)
                records[second].merge(value)
        else:
            amount = sum(values) if KINDS[series] == "counter" else gauges[series, second]
            sums[second] = sums.get(second, 0.0) + amount

    for asked in (table, loaded):
        assert asked.histogram([0, 3], window=window) == merged
        seconds, values = asked.per_second([1, 2, 4, 5], window=window)
        assert seconds.tolist() == sorted(sums)
        assert values.tolist() == pytest.approx([sums[second] for second in sorted(sums)], rel=1e-12, abs=1e-6)
        assert asked.total([1, 2, 4, 5], window=window) == pytest.approx(sum(sums.values()), rel=1e-12, abs=1e-6)
        assert asked.total([0, 3], window=window) == merged.count
        seconds, values = asked.quantile_per_second([0, 3], q=0.5, window=window)
        having = [second for second in sorted(records) if records[second].count]
        assert seconds.tolist() == having
        assert values.tolist() == [records[second].quantile(0.5) for second in having]


@given(data=st.binary(max_size=60))
def test_any_bytes_are_a_block_or_refused(data: bytes) -> None:
    table = table_of_kinds()
    try:
        table.load([(1, data)])
    except ValueError as error:
        refused = str(error)
    else:
        return
    assert refused.startswith("the block of second 1: ")
    assert table.span() is None, "nothing of a refused block is added"


@given(rows=st.lists(slices(), min_size=1, max_size=6), at=st.integers(0, 500), change=st.integers(1, 255))
def test_a_damaged_block_is_refused_or_read_without_harm(rows, at: int, change: int) -> None:
    series, values = [row[1] for row in rows], [row[2] for row in rows]
    block = bytearray(table_of_kinds().append(second=0, series=series, values=values))
    block[at % len(block)] ^= change
    table = table_of_kinds()
    try:
        table.load([(0, bytes(block))])
    except ValueError:
        return
    assert table.span() in (None, (0, 1))
    table.histogram(range(len(KINDS)))
    table.quantile_per_second(range(len(KINDS)), q=0.99)
    table.per_second(range(len(KINDS)))
    table.roll_up(width_s=10)


def test_what_does_not_exist_is_empty_rather_than_an_error() -> None:
    table = table_of_kinds()

    assert table.histogram([99]).count == 0
    assert table.total([99, 1]) == 0
    assert table.span([99]) is None


def test_arguments_that_mean_nothing_are_refused() -> None:
    table = table_of_kinds()
    with pytest.raises(ValueError, match='a kind is histogram, counter or gauge; got "meter"'):
        table.add_series("meter")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="as many values as series are needed: 1 and 2"):
        table.append(second=0, series=[1, 2], values=[1.0])
    with pytest.raises(ValueError, match="width_s must be at least 1 second, got 0"):
        table.roll_up(width_s=0)
