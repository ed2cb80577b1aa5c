"""Types of the Rust core; tests/boundary checks this file against the binary."""

from collections.abc import Sequence
from typing import Any, Literal, Self, final

import numpy as np
from numpy.typing import NDArray

__version__: str
build_profile: str

@final
class Histogram:
    """A distribution of integer nanoseconds: at most 140 KB, exact merge, quantiles within 0.1 %.

    Count, minimum, maximum, mean and sum are exact. Values above 2^42 - 1 ns (73 minutes) count as that value, and
    `saturated` says how many there were. One histogram must not be changed by two threads at once.
    """

    def __init__(self) -> None: ...
    def record(self, value_ns: int, count: int = 1) -> None:
        """Add *count* records of *value_ns*; both at least 0 and below 2^64 (OverflowError)."""
    def merge(self, other: Histogram) -> None:
        """Add every record of *other*; the order of merges makes no difference."""
    def copy(self) -> Histogram: ...
    def clear(self) -> None:
        """Forget every record and keep the memory."""
    @property
    def count(self) -> int: ...
    @property
    def min_ns(self) -> int | None: ...
    @property
    def max_ns(self) -> int | None: ...
    @property
    def mean_ns(self) -> float | None: ...
    @property
    def sum_ns(self) -> int: ...
    @property
    def saturated(self) -> int: ...
    def quantile(self, q: float) -> float | None:
        """Return the ⌈q·count⌉-th smallest record in nanoseconds, within 0.1 %; None without records.

        Raises:
            ValueError: *q* is not within 0 to 1.
        """
    def quantile_interval(self, q: float, confidence: float = 0.95) -> tuple[float, float] | None:
        """Return where the quantile of the distribution behind the records lies, by order statistics.

        None where there are too few records for it: p99 at 95 % needs 368, p95 72, p50 6.
        """
    def count_above(self, value_ns: int) -> int:
        """Return how many records lie in buckets above that of *value_ns*."""
    def buckets(self) -> tuple[NDArray[np.uint64], NDArray[np.uint64], NDArray[np.uint64]]:
        """Return lowest value, highest value and count of each bucket that holds records, lowest first."""
    def to_bytes(self) -> bytes: ...
    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Return the histogram that `to_bytes` wrote; ValueError for anything else."""
    def __eq__(self, other: object) -> bool: ...
    def __reduce__(self) -> tuple[Any, tuple[bytes]]: ...

@final
class SliceTable:
    """Slices of many series, kept encoded; every method may be called from any thread. Windows are half-open."""

    def __init__(self) -> None: ...
    def add_series(self, kind: Literal["histogram", "counter", "gauge"]) -> int:
        """Return the number of a new series: 0, 1, 2, ..."""
    def append(self, *, second: int, series: Sequence[int], values: list[Histogram | float]) -> bytes:
        """Add one value per series to *second* and return the block that `load` takes.

        Raises:
            ValueError: A series that was never added, a value of the wrong kind, or one that is not finite; nothing is added.
            TypeError: A value that is neither a histogram nor a number.
        """
    def load(self, blocks: Sequence[tuple[int, bytes]]) -> None:
        """Add (second, block) pairs; ValueError names the first that cannot be read, with those before it added."""
    def span(self, series: Sequence[int] | None = None) -> tuple[int, int] | None: ...
    def histogram(self, series: Sequence[int], *, window: tuple[int, int] | None = None) -> Histogram: ...
    def total(self, series: Sequence[int], *, window: tuple[int, int] | None = None) -> float: ...
    def per_second(
        self, series: Sequence[int], *, window: tuple[int, int] | None = None
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]: ...
    def quantile_per_second(
        self, series: Sequence[int], *, q: float, window: tuple[int, int] | None = None
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]: ...
    def roll_up(self, *, width_s: int) -> SliceTable:
        """Return the same series in rows of *width_s* seconds: merged, added, and (gauges) averaged."""
