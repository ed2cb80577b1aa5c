"""One run, second by second, in arrays: what the bootstrap draws from.

Units: nanoseconds for times; rows are seconds, columns buckets of the histogram.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scaleworthy.load.summary import run_window
from scaleworthy.series import Store

Floats = NDArray[np.float64]
ROWS_MAX = 1_800
"""A longer run is looked at in wider pieces: the bootstrap's memory grows with their number."""
TRIMMED_LEAST = 12


@dataclass(frozen=True, slots=True)
class Seconds:
    """What each second (or piece of `width_s` seconds) of one run saw.

    Attributes:
        width_s: Seconds in a row.
        values_ns: Middle of each bucket, ascending; shape (buckets,).
        counts: Answers by row and bucket; shape (rows, buckets).
        answered: Per row.
        failed: Per row.
        started: Per row.
    """

    width_s: int
    values_ns: Floats
    counts: Floats
    answered: Floats
    failed: Floats
    started: Floats

    def __len__(self) -> int:
        """How many rows there are."""
        return len(self.answered)

    @property
    def length_s(self) -> int:
        """How many seconds they cover."""
        return len(self) * self.width_s


def seconds_of(store: Store, *, step: str | None = None, warm_up_s: int = 0) -> Seconds:
    """Return the seconds of the last load run in *store*, without the parts of a second in which it began and ended.

    Args:
        step: Only this step's requests.
        warm_up_s: Seconds to leave out at the beginning.
    """
    first, end = run_window(store)
    if end - first >= TRIMMED_LEAST:
        first, end = first + 1, end - 1
    first = min(first + warm_up_s, end)
    width = max(1, -(-(end - first) // ROWS_MAX))
    starts = range(first, end - width + 1, width)
    labels = {"step": step} if step is not None else None
    rows = []
    for start in starts:
        histogram = store.histogram("load.response_time", labels=labels, window=(start, start + width))
        lows, highs, counts = histogram.buckets()
        rows.append(((np.asarray(lows, float) + np.asarray(highs, float)) / 2, np.asarray(counts, float)))
    values = np.unique(np.concatenate([row[0] for row in rows])) if rows else np.zeros(0)
    table = np.zeros((len(rows), len(values)))
    for at, (middles, counts) in enumerate(rows):
        table[at, np.searchsorted(values, middles)] = counts
    counters = {
        name: _rows(store, f"load.{name}", labels, first, len(rows), width)
        for name in ("answered", "failed", "started")
    }
    return Seconds(width, values, table, **counters)


def _rows(store: Store, name: str, labels: dict[str, str] | None, first: int, rows: int, width: int) -> Floats:
    whole = np.zeros(rows * width)
    at, values = store.per_second(name, labels=labels, window=(first, first + rows * width))
    whole[np.asarray(at) - first] = values
    return np.asarray(whole.reshape(rows, width).sum(axis=1))
