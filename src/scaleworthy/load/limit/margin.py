"""How far from its limit did a probe stay, and how sure is that?

The margin of an objective is above 0 where it holds, as a ratio of the limit; below 0 it is compressed by a logarithm, so that one
hopeless probe does not bend the curve that is fitted through all of them.

The error of a margin is *not* that of independent samples: requests that wait in one queue are late together, and the order-statistic
interval of their quantile is several times too narrow. So the judged seconds are taken in blocks, the margin of each block is a
sample, and their number is cut to the *effective sample size* n (1 - r) / (1 + r), r the correlation of neighbouring blocks (AR(1);
its bias in short rows, (1 + 3 r) / n, added back). The wider of that and the order-statistic interval counts.
Sources: Law & Kelton, Simulation Modeling and Analysis, 9.5.3 (batch means); Marriott & Pope, Biometrika 41 (1954) 390 (bias of r).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from scipy.special import stdtrit

from scaleworthy.series import Objective, Outcome, Store

BLOCK_SAMPLES = 200
BLOCKS_LEAST = 5
LOWEST = -2.0
_CORRELATION_MOST = 0.9
Window = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Margin:
    """One objective over one probe: its margin, the margin's standard error (as if normal), and the samples behind it."""

    objective: str
    value: float
    error: float
    count: int


class Judge:
    """Judges windows of a store by objectives."""

    def __init__(self, objectives: Sequence[str], store: Store, *, confidence: float = 0.95) -> None:
        self._objectives = [Objective.parse(text) for text in objectives]
        self._store = store
        self._confidence = confidence
        self.z = NormalDist().inv_cdf(0.5 + confidence / 2)

    def margins(self, window: Window) -> list[Margin] | None:
        """Return each objective's margin; None while one of them has too few samples for a value."""
        found: list[Margin] = []
        for objective in self._objectives:
            outcome = objective.evaluate(self._store, window)
            if outcome.margin is None:
                return None
            found.append(self._margin(objective, outcome, window))
        return found

    def _margin(self, objective: Objective, outcome: Outcome, window: Window) -> Margin:
        assert outcome.margin is not None
        half_width = self.z / math.sqrt(max(outcome.count, 1))  # no relative error is below 1/√n
        if outcome.interval is not None and outcome.limit:
            spread = (outcome.interval[1] - outcome.interval[0]) / 2 / abs(outcome.limit)
            half_width = max(half_width, spread * _slope(outcome.margin))
        blocks = self._blocks(objective, window, outcome.count)
        if len(blocks) >= 3:
            half_width = max(half_width, half_width_of(blocks, self._confidence))
        return Margin(outcome.text, compressed(outcome.margin), half_width / self.z, outcome.count)

    def _blocks(self, objective: Objective, window: Window, count: int) -> list[float]:
        """Return the margin of each block of seconds, blocks as long as it takes for enough samples, but at least five."""
        start, end = window
        seconds = end - start
        width = math.ceil(BLOCK_SAMPLES * seconds / max(count, 1))
        width = max(1, min(width, seconds // BLOCKS_LEAST))
        values = []
        for at in range(start, end - width + 1, width):
            margin = objective.evaluate(self._store, (at, at + width)).margin
            if margin is not None:
                values.append(compressed(margin))
        return values


def compressed(margin: float) -> float:
    """Return a margin as the search uses it: linear where it holds, logarithmic and bounded where it does not."""
    return margin if margin >= 0 else max(-math.log1p(-margin), LOWEST)


def _slope(margin: float) -> float:
    return 1.0 if margin >= 0 else 1.0 / (1.0 - margin)


def half_width_of(blocks: Sequence[float], confidence: float) -> float:
    """Return the half-width of the interval of the mean of correlated *blocks*."""
    values = np.asarray(blocks)
    size = effective_size(values)
    freedom = max(size - 1, 1.0)
    return float(stdtrit(freedom, 0.5 + confidence / 2) * values.std(ddof=1) / math.sqrt(size))


def effective_size(values: np.ndarray) -> float:
    """Return how many independent samples the correlated *values* are worth; at least 1."""
    count = len(values)
    centred = values - values.mean()
    power = float(centred @ centred)
    if count < 3 or power <= 0:
        return float(count)
    correlation = float(centred[:-1] @ centred[1:]) / power
    correlation += (1 + 3 * correlation) / count
    correlation = min(max(correlation, 0.0), _CORRELATION_MOST)
    return max(count * (1 - correlation) / (1 + correlation), 1.0)


def decide(margins: Sequence[Margin], *, z: float) -> bool | None:
    """Return True where every objective surely held, False where one surely did not, None in between."""
    if any(margin.value + z * margin.error < 0 for margin in margins):
        return False
    return True if all(margin.value - z * margin.error > 0 for margin in margins) else None


def binding(margins: Sequence[Margin]) -> Margin:
    """Return the objective that is broken most, or nearest to it."""
    return min(margins, key=lambda margin: margin.value)
