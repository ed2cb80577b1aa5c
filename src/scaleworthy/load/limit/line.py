"""A straight line through the probes close to the limit, where there is one.

Where latency rises as a queue's does it goes as one over the spare capacity, so limit / value is nearly straight in the level, and a
line uses all probes close by, not only the two on either side of the crossing. Each bootstrap draw's limit is then half way between
both crossings: on simulated queues of 1 to 8 servers their mean is nearer to the truth than either. Where latency falls off a cliff
the line has no slope, or strays, and says nothing or little.
Source: the heavy-traffic limit of queues, J. F. C. Kingman, J. R. Stat. Soc. B 24 (1962) 383.
"""

from __future__ import annotations

import math

import numpy as np

FROM, TO = 0.7, 1.15
PROBES_LEAST = 3
SPREAD_LEAST = 0.01
"""The line goes through the probes within these shares of the limit: so many at least, and not all at one level."""
STRAYS = 0.1
STRAYS_ALONE = 0.3
"""It moves the limit by at most this share; by more where a draw left all probes on one side, so that nothing else crosses."""
SLOPE_LEAST = 0.3
BENDS = 0.1
"""How far, as a ratio, the curve may leave the line: it keeps one long probe from deciding alone."""
VALUE_LEAST = 0.3
_MARGIN_MOST = 1.5


def joined_by_line(crossings: np.ndarray, levels: np.ndarray, draws: np.ndarray, errors: np.ndarray) -> np.ndarray:
    """Return the crossing of each draw, half way to that of a straight line where there is one.

    Args:
        crossings: Of the isotonic fit, one a draw.
        levels: Of the probes that measured a margin.
        draws: Their margins, a row a draw.
        errors: Their standard errors.
    """
    middle = float(np.median(crossings))
    if not math.isfinite(middle) or middle <= 0:
        return crossings
    near = (levels >= FROM * middle) & (levels <= TO * middle)
    if int(near.sum()) < PROBES_LEAST or float(np.ptp(levels[near])) < SPREAD_LEAST * middle:
        return crossings
    slopes, lines = _lines(levels[near], draws[:, near], errors[near])
    one_sided = ~np.isfinite(crossings) | (crossings <= 0)
    strays = np.where(one_sided, STRAYS_ALONE, STRAYS)
    lines = np.clip(lines, (1 - strays) * middle, (1 + strays) * middle)
    joined = np.where(one_sided, lines, (np.where(one_sided, 0.0, crossings) + lines) / 2)
    return np.where(slopes < -SLOPE_LEAST / middle, joined, crossings)


def _lines(levels: np.ndarray, draws: np.ndarray, errors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return each draw's slope of limit / value over the level, by weighted least squares, and where it reaches 1."""
    values = np.exp(np.clip(draws, -_MARGIN_MOST, _MARGIN_MOST))
    usual = np.maximum(np.median(values, axis=0), VALUE_LEAST)
    weights = (usual * np.hypot(errors, BENDS)) ** -2
    centre = float(weights @ levels / weights.sum())
    means = values @ weights / weights.sum()
    slopes = (values - means[:, None]) @ (weights * (levels - centre)) / float(weights @ (levels - centre) ** 2)
    return slopes, centre + (1 - means) / np.where(slopes == 0, np.inf, slopes)
