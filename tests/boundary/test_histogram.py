"""The histogram in Rust says what the plain Python reference says, and refuses bytes that no histogram writes."""

from __future__ import annotations

import copy
import math
import pickle
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference_histogram import VALUE_MAX, ReferenceHistogram, bucket_of, low_of
from scipy.stats import binom

from scaleworthy.series import Histogram

# Values of every size, not mostly large ones: an octave first, then a place in it.
VALUES = st.integers(0, 44).flatmap(lambda bits: st.integers(0, 2**bits))
RECORDS = st.lists(st.tuples(VALUES, st.integers(0, 5)), max_size=60)
QUANTILES = st.sampled_from(["0", "0.001", "0.05", "0.07", "0.25", "0.5", "0.9", "0.95", "0.99", "0.999", "1"])


def both(records: list[tuple[int, int]]) -> tuple[Histogram, ReferenceHistogram]:
    ours, reference = Histogram(), ReferenceHistogram()
    for value, count in records:
        ours.record(value, count)
        reference.record(value, count)
    return ours, reference


@given(records=RECORDS, q=QUANTILES, at=VALUES)
def test_every_answer_is_that_of_the_reference(records: list[tuple[int, int]], q: str, at: int) -> None:
    ours, reference = both(records)

    assert ours.count == reference.count
    assert ours.sum_ns == reference.sum_ns
    assert (ours.min_ns, ours.max_ns, ours.saturated) == (reference.min_ns, reference.max_ns, reference.saturated)
    assert ours.quantile(float(q)) == reference.quantile(Fraction(q))
    assert ours.count_above(at) == reference.count_above(at)
    assert ours.to_bytes() == reference.to_bytes()


@given(parts=st.lists(RECORDS, min_size=1, max_size=4), order=st.randoms(use_true_random=False))
def test_merging_in_any_order_equals_recording_everything_in_one(parts, order) -> None:
    whole, reference = both([record for part in parts for record in part])
    merged_reference = ReferenceHistogram()
    for part in parts:
        merged_reference.merge(both(part)[1])
    order.shuffle(parts)
    merged = Histogram()
    for part in parts:
        merged.merge(both(part)[0])

    assert merged == whole
    assert merged.to_bytes() == merged_reference.to_bytes() == reference.to_bytes()


@given(records=RECORDS)
def test_bytes_copies_and_pickles_give_the_same_histogram_back(records: list[tuple[int, int]]) -> None:
    ours, _ = both(records)

    assert Histogram.from_bytes(ours.to_bytes()) == ours
    assert pickle.loads(pickle.dumps(ours)) == ours
    assert ours.copy() == ours


@given(data=st.binary(max_size=200))
def test_any_bytes_are_either_a_histogram_that_writes_them_or_refused(data: bytes) -> None:
    try:
        read = Histogram.from_bytes(data)
    except ValueError:
        return
    assert read.to_bytes() == data


@given(records=RECORDS.filter(bool), at=st.integers(0, 10_000), change=st.integers(1, 255))
def test_damaged_bytes_are_refused_or_still_mean_what_they_say(records, at: int, change: int) -> None:
    data = bytearray(both(records)[0].to_bytes())
    data[at % len(data)] ^= change
    try:
        read = Histogram.from_bytes(bytes(data))
    except ValueError:
        return
    assert read.to_bytes() == bytes(data)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "cut short"),
        (b"\x02\x00", "form 2"),
        (b"\x01\x00\x00", "left over"),
        (b"\x01\xff\xff\xff\xff\x7f", "more buckets than there are bytes for"),
        (b"\x01\x01\x05\x00\x05\x00\x05\x00", "a bucket without records"),
        (b"\x01\x01\x05\x00\x05\x00\x06\x01", "minimum or maximum outside"),
        (b"\x01\x01\x05\x00\x06\x00\x05\x01", "a sum that the buckets cannot have"),
        (b"\x01\x01\x05\x00\x05\x02\x05\x01", "more saturated records than records"),
        (b"\x01\x01\x05\x00\x05\x00\xff\xff\x7f\x01", "a bucket beyond the last one"),
    ],
    ids=lambda value: value if isinstance(value, str) else value.hex(),
)
def test_what_a_histogram_cannot_write_is_refused_with_the_reason(data: bytes, why: str) -> None:
    with pytest.raises(ValueError, match=f"not a histogram: .*{why}"):
        Histogram.from_bytes(data)


@given(
    values=st.lists(VALUES.map(lambda value: min(value, VALUE_MAX)), min_size=1, max_size=300),
    q=QUANTILES,
)
def test_a_quantile_is_within_a_thousandth_of_the_exact_one(values: list[int], q: str) -> None:
    ours, _ = both([(value, 1) for value in values])
    exact = sorted(values)[max(1, math.ceil(Fraction(q) * len(values))) - 1]

    assert ours.quantile(float(q)) == pytest.approx(exact, rel=0.001, abs=0)


def test_the_quantile_is_within_a_thousandth_at_both_edges_of_every_bucket() -> None:
    """Three records, so that the middle one is neither the minimum nor the maximum, which are exact."""
    for index in range(1, 17_408):
        for edge in bucket_of(low_of(index)):
            ours = Histogram()
            ours.record(0)
            ours.record(edge)
            ours.record(VALUE_MAX)
            assert ours.quantile(0.5) == pytest.approx(edge, rel=0.001, abs=0)


def test_ten_million_records_take_no_more_room_than_ten_thousand() -> None:
    random = np.random.default_rng(1)
    few, many = Histogram(), Histogram()
    for value in random.integers(10**6, 10**9, 10_000).tolist():
        few.record(value)
        many.record(value, 1_000)

    assert many.count == 10**7
    # The same buckets; only the counts have more digits.
    assert len(many.buckets()[0]) == len(few.buckets()[0])
    assert len(many.to_bytes()) < 2 * len(few.to_bytes())


def test_the_buckets_tile_the_records() -> None:
    ours, reference = both([(3, 1), (1023, 2), (1024, 3), (1025, 1), (5_000_000, 7), (2**43, 1)])
    lows, highs, counts = ours.buckets()

    assert lows.tolist() == [3, 1023, 1024, bucket_of(5_000_000)[0], bucket_of(VALUE_MAX)[0]]
    assert highs.tolist() == [3, 1023, 1025, bucket_of(5_000_000)[1], VALUE_MAX]
    assert counts.tolist() == [1, 2, 4, 7, 1]
    assert ours.saturated == reference.saturated == 1


@settings(max_examples=60)
@given(
    count=st.integers(1, 3_000),
    q=st.sampled_from([0.05, 0.5, 0.9, 0.95, 0.99]),
    confidence=st.sampled_from([0.8, 0.95, 0.99]),
)
def test_an_interval_has_the_ranks_of_the_exact_binomial_distribution(count: int, q: float, confidence: float) -> None:
    """Each record has a bucket to itself, so that the bounds tell their ranks."""
    ours = Histogram()
    for rank in range(1, count + 1):
        ours.record(low_of(1_024 + 5 * rank))
    tail = (1 - confidence) / 2
    # The number B of records below the quantile is binomial: low is the largest with P(B < low) <= tail, high the
    # smallest with P(B >= high) <= tail.
    low = int((binom.cdf(np.arange(count + 1), count, q) <= tail).sum())
    high = int((binom.sf(np.arange(-1, count), count, q) > tail).sum())

    interval = ours.quantile_interval(q, confidence)

    if low < 1 or high > count:
        assert interval is None
    else:
        assert interval is not None
        buckets = [bucket_of(low_of(1_024 + 5 * rank)) for rank in (low, high)]
        # The highest bucket is cut off at the maximum.
        assert interval == (buckets[0][0], min(buckets[1][1], ours.max_ns or 0))


def test_intervals_cover_the_true_quantile_as_often_as_they_say() -> None:
    """1,000 samples of 500 from an exponential distribution, whose p90 is ln 10 times its mean; at least 95 % less 3 σ."""
    random = np.random.default_rng(7)
    covered = 0
    for _ in range(1_000):
        ours = Histogram()
        for value in random.exponential(1e7, 500).astype(int).tolist():
            ours.record(value)
        low, high = ours.quantile_interval(0.9, 0.95)
        covered += low <= 1e7 * math.log(10) <= high

    assert covered >= 950 - 3 * math.sqrt(1_000 * 0.95 * 0.05)


def test_a_histogram_merges_into_itself() -> None:
    ours, _ = both([(5, 1), (7_000_000, 2)])
    ours.merge(ours)

    assert ours == both([(5, 2), (7_000_000, 4)])[0]


def test_clearing_forgets_all_and_copies_are_apart() -> None:
    ours, _ = both([(5, 1), (7_000_000, 2)])
    kept = ours.copy()
    ours.clear()

    assert ours == Histogram()
    assert (ours.quantile(0.5), ours.min_ns, ours.max_ns, ours.mean_ns) == (None, None, None, None)
    assert ours.quantile_interval(0.5) is None
    assert kept.count == 3
    assert copy.copy(kept) == kept


@pytest.mark.parametrize("value", [-1, 2**64])
def test_a_value_that_is_no_time_is_refused(value: int) -> None:
    with pytest.raises(OverflowError):
        Histogram().record(value)


@pytest.mark.parametrize("q", [-0.1, 1.1, float("nan"), 95])
def test_a_quantile_is_a_ratio(q: float) -> None:
    with pytest.raises(ValueError, match="q is a ratio from 0 to 1"):
        Histogram().quantile(q)


def test_counts_stop_rather_than_wrap() -> None:
    ours = Histogram()
    for _ in range(3):
        ours.record(7, 2**64 - 1)

    assert ours.count == 2**64 - 1
    assert Histogram.from_bytes(ours.to_bytes()) == ours
