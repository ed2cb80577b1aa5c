"""One curve through all probes: the margin falls as the level rises, so an isotonic fit joins what noise has crossed.

The limit is where the fitted margin crosses zero; where the probes close to it lie on a line, the line has its say (`line`). Its
interval, and the probability that a level passes, come from a parametric bootstrap: each probe's margin drawn anew from its error
(Student's t: the error itself is known from few seconds), the fit repeated.
Source of the fit: pool adjacent violators, Ayer et al., Ann. Math. Stat. 26 (1955) 641.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from scaleworthy.load.limit.line import joined_by_line
from scaleworthy.load.limit.margin import NOISE_FREEDOM

DRAWS = 500
SPREAD = 20.0
SPREAD_LEAST = 0.1
_ERROR_LEAST = 1e-3
WIDER = 1.1
"""How much wider than seen from within a probe its error is taken: bursts longer than a probe move all of its seconds together, and the
search stops where the interval happens to look narrow. Calibrated on simulated queues (benchmarks/bench_find_limit.py)."""

SHAPE_UNKNOWN = 0.012
"""What no fit knows: how the curve runs between the probes. Standard deviation, as a ratio of the limit."""


@dataclass(frozen=True, slots=True)
class Point:
    """One probe: its level, its margin, the margin's standard error.

    Attributes:
        cut: It was cut short as lost, so its margin is a bound and no measurement.
    """

    level: float
    margin: float
    error: float
    cut: bool = False


@dataclass(frozen=True, slots=True)
class Fit:
    """Where the margin crosses zero, over all draws; infinite where nothing failed, 0 where nothing passed."""

    crossings: np.ndarray

    @property
    def estimate(self) -> float | None:
        """The median crossing; None where one side was never seen."""
        middle = float(np.median(self.crossings))
        return middle if math.isfinite(middle) and middle > 0 else None

    def interval(self, confidence: float) -> tuple[float, float]:
        """Return the limit's interval; it may be open (0 or infinite)."""
        tail = (1 - confidence) / 2
        ordered = np.sort(self.crossings)
        last = len(ordered) - 1
        return float(ordered[math.floor(tail * last)]), float(ordered[math.ceil((1 - tail) * last)])

    def passes(self, level: float) -> float:
        """Return the probability that *level* passes."""
        return float(np.mean(self.crossings > level))


def fit(points: Sequence[Point], *, seed: int) -> Fit:
    """Return the fit of all *points*; the same points and seed give the same fit."""
    ordered = sorted(points, key=lambda point: point.level)
    levels = np.array([point.level for point in ordered])
    margins = np.array([point.margin for point in ordered])
    errors = WIDER * np.maximum([point.error for point in ordered], _ERROR_LEAST)
    weights = errors**-2
    random = np.random.default_rng(seed)
    draws = margins + errors * random.standard_t(NOISE_FREEDOM, (DRAWS, len(ordered)))
    crossings = np.array([crossing(levels, draw, weights, random) for draw in draws])
    measured = np.array([not point.cut for point in ordered])
    found = joined_by_line(crossings, levels[measured], draws[:, measured], errors[measured])
    return Fit(found * (1 + SHAPE_UNKNOWN * random.standard_normal(DRAWS)))


def crossing(levels: np.ndarray, margins: np.ndarray, weights: np.ndarray, random: np.random.Generator) -> float:
    """Return where the falling isotonic fit crosses zero: between the centres of the blocks on either side of it.

    Where between them, a falling curve does not say. So the place is drawn: on average that of a straight line, spread over the gap,
    and far-apart probes give a wide interval, which brings the next probe between them.
    """
    blocks = falling_blocks(levels.tolist(), margins.tolist(), weights.tolist())
    above = [block for block in blocks if block[1] > 0]
    below = [block for block in blocks if block[1] <= 0]
    if not below:
        return math.inf
    if not above:
        return 0.0
    (level, margin, _), (next_level, next_margin, _) = above[-1], below[0]
    straight = min(max(margin / (margin - next_margin), SPREAD_LEAST), 1 - SPREAD_LEAST)
    return level + (next_level - level) * float(random.beta(SPREAD * straight, SPREAD * (1 - straight)))


def falling_blocks(levels: list[float], margins: list[float], weights: list[float]) -> list[tuple[float, float, float]]:
    """Pool adjacent violators: return (mean level, margin, weight) of each block, margins falling; *levels* rise."""
    blocks: list[tuple[float, float, float]] = []
    for level, margin, weight in zip(levels, margins, weights, strict=True):
        while blocks and blocks[-1][1] <= margin:
            before = blocks.pop()
            total = before[2] + weight
            level = (before[0] * before[2] + level * weight) / total
            margin = (before[1] * before[2] + margin * weight) / total
            weight = total
        blocks.append((level, margin, weight))
    return blocks
