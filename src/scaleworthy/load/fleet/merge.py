"""Merge what several workers saw into one second, exactly: histograms merge, counters add, gauges add.

A gauge of one worker is its share of a whole (its users, its open connections), so shares add up. `load.target` is told by the
worker with the run's first thread alone. What came too late for its own second is counted in the next one, as the engine does
between its threads: late, but nothing is lost; its gauges are out of date by then, and left out.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from scaleworthy._native import Histogram

if TYPE_CHECKING:
    from scaleworthy.load.engine import Labels, RawSlice
    from scaleworthy.load.fleet.wire import WorkerSecond


def merged(parts: Iterable[WorkerSecond], late: Iterable[WorkerSecond] = ()) -> list[RawSlice]:
    """Return the slices of all *parts* as one second's; of *late* parts the histograms and counters."""
    whole: dict[tuple[str, Labels], RawSlice] = {}
    for part in parts:
        for piece in part.slices:
            _add(whole, piece)
    for part in late:
        for piece in part.slices:
            if piece[3] != "gauge":
                _add(whole, piece)
    return list(whole.values())


def _add(whole: dict[tuple[str, Labels], RawSlice], piece: RawSlice) -> None:
    name, labels, unit, kind, value = piece
    before = whole.get((name, labels))
    if before is None:
        # Nobody else holds the parts' histograms, so the first one may take the others in.
        whole[name, labels] = piece
    elif isinstance(value, Histogram):
        if isinstance(before[4], Histogram):
            before[4].merge(value)
    elif not isinstance(before[4], Histogram):
        whole[name, labels] = (name, labels, unit, kind, before[4] + value)
