"""The quantities that a comparison looks at, each computed from weights over a side's seconds.

A weight matrix has a row for each redrawn side (or one row of ones for the side itself) and a column for each second.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from scaleworthy.load.compare.seconds import Floats, Seconds

Weights = Sequence[Floats]


@dataclass(frozen=True, slots=True)
class Quantity:
    """One number of a run.

    Attributes:
        name: As the summary calls it.
        unit: `ms`, `ratio` or `requests/s`.
        lower_is_better: Which direction is worse.
        relative: A change is a ratio of the old value; otherwise a difference (of a share that may be 0).
        least: Answers that it takes on each side.
        of: From a side and weights to values, one a row.
    """

    name: str
    unit: Literal["ms", "ratio", "requests/s"]
    lower_is_better: bool
    relative: bool
    least: int
    of: Callable[[Sequence[Seconds], Weights], Floats]


def _quantile(q: float) -> Callable[[Sequence[Seconds], Weights], Floats]:
    def of(runs: Sequence[Seconds], weights: Weights) -> Floats:
        values = np.unique(np.concatenate([run.values_ns for run in runs]))
        draws = weights[0].shape[0]
        counts = np.zeros((draws, len(values)))
        for run, weight in zip(runs, weights, strict=True):
            counts[:, np.searchsorted(values, run.values_ns)] += weight @ run.counts
        below = np.cumsum(counts, axis=1)
        wanted = np.maximum(np.ceil(q * below[:, -1:]), 1)
        at = np.minimum((below < wanted).sum(axis=1), len(values) - 1)
        return np.asarray(values[at] / 1e6)

    return of


def _share_failed(runs: Sequence[Seconds], weights: Weights) -> Floats:
    failed = sum(weight @ run.failed for run, weight in zip(runs, weights, strict=True))
    started = sum(weight @ run.started for run, weight in zip(runs, weights, strict=True))
    return np.asarray(failed / np.maximum(started, 1))


def _rate(runs: Sequence[Seconds], weights: Weights) -> Floats:
    answered = sum(weight @ run.answered for run, weight in zip(runs, weights, strict=True))
    seconds = sum(weight.sum(axis=1) * run.width_s for run, weight in zip(runs, weights, strict=True))
    return np.asarray(answered / np.maximum(seconds, 1))


QUANTITIES = (
    Quantity("p50", "ms", True, True, 20, _quantile(0.5)),
    Quantity("p95", "ms", True, True, 100, _quantile(0.95)),
    Quantity("p99", "ms", True, True, 500, _quantile(0.99)),
    Quantity("failed", "ratio", True, False, 20, _share_failed),
    Quantity("requests/s", "requests/s", False, True, 20, _rate),
)
