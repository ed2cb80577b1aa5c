"""The histogram and its wire form in plain Python: slow, short, and written from their description, not from the Rust.

What it says is what `crates/measure` must say; `test_histogram.py` holds both to the same answers.
"""

from __future__ import annotations

import math
from collections import Counter
from fractions import Fraction

VALUE_MAX = 2**42 - 1
FORM = 1


def bucket_of(value: int) -> tuple[int, int]:
    """Return the lowest and highest value of the bucket that holds *value*: 512 equal ones per octave, one each below 1024."""
    width = 1 if value < 1024 else 2 ** (value.bit_length() - 10)
    low = value // width * width
    return low, low + width - 1


def index_of(value: int) -> int:
    """Return how many buckets lie below that of *value*."""
    if value < 1024:
        return value
    octaves = value.bit_length() - 10
    return 1024 + 512 * (octaves - 1) + (value - (512 << octaves)) // (1 << octaves)


def low_of(index: int) -> int:
    """Return the lowest value of a bucket."""
    if index < 1024:
        return index
    octaves, place = divmod(index - 512, 512)
    return (512 + place) << octaves


class ReferenceHistogram:
    """Counts by bucket, and the exact count, sum, minimum and maximum."""

    def __init__(self) -> None:
        self.buckets: Counter[int] = Counter()
        self.sum_ns = 0
        self.min_ns: int | None = None
        self.max_ns: int | None = None
        self.saturated = 0

    @property
    def count(self) -> int:
        return self.buckets.total()

    def record(self, value: int, count: int = 1) -> None:
        if value > VALUE_MAX:
            self.saturated += count
            value = VALUE_MAX
        if count == 0:
            return
        self.buckets[index_of(value)] += count
        self.sum_ns += value * count
        self.min_ns = value if self.min_ns is None else min(self.min_ns, value)
        self.max_ns = value if self.max_ns is None else max(self.max_ns, value)

    def merge(self, other: ReferenceHistogram) -> None:
        if other.min_ns is None or other.max_ns is None:
            return
        self.buckets += other.buckets
        self.sum_ns += other.sum_ns
        self.saturated += other.saturated
        self.min_ns = other.min_ns if self.min_ns is None else min(self.min_ns, other.min_ns)
        self.max_ns = other.max_ns if self.max_ns is None else max(self.max_ns, other.max_ns)

    def quantile(self, q: Fraction) -> float | None:
        if self.min_ns is None or self.max_ns is None:
            return None
        rank = max(1, math.ceil(q * self.count))
        if rank == 1:
            return self.min_ns
        if rank == self.count:
            return self.max_ns
        seen = 0
        for index in sorted(self.buckets):
            seen += self.buckets[index]
            if seen >= rank:
                low, high = bucket_of(low_of(index))
                return min(max((low + high) / 2, self.min_ns), self.max_ns)
        raise AssertionError("the ranks of all buckets together are the count")

    def count_above(self, value: int) -> int:
        if self.max_ns is None or value > VALUE_MAX:
            return 0
        return sum(count for index, count in self.buckets.items() if index > index_of(value))

    def to_bytes(self) -> bytes:
        used = sorted(self.buckets)
        out = bytes([FORM]) + varint(len(used))
        if self.min_ns is None or self.max_ns is None:
            return out
        for number in (self.min_ns, self.max_ns - self.min_ns, self.sum_ns, self.saturated):
            out += varint(number)
        next_index = 0
        for index in used:
            out += varint(index - next_index) + varint(self.buckets[index])
            next_index = index + 1
        return out


def varint(value: int) -> bytes:
    """Return *value* in base 128, lowest seven bits first, the top bit set on all bytes but the last."""
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
