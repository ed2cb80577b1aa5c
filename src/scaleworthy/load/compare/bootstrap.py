"""Draw a run again and again from its own seconds, in blocks, to see how far its numbers move by chance.

Question:  how uncertain is a quantile (or a rate) of a run whose seconds depend on each other?
Model:     the stationary bootstrap: blocks of seconds of geometric length, wrapped around the run's end; the mean length is
           chosen from the run's own autocorrelation. Several runs of one side are drawn first as wholes, then each by
           blocks, so that what differs from run to run is in the interval too.
Units:     seconds, counted; nanoseconds.
Source:    D. N. Politis, J. P. Romano, "The stationary bootstrap", JASA 89 (1994); D. N. Politis, H. White, "Automatic
           block-length selection for the dependent bootstrap", Econometric Reviews 23 (2004), corrected 28 (2009).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from scaleworthy.load.compare.seconds import Floats, Seconds


def block_length(series: Floats) -> float:
    """Return the mean block length, in seconds, for the stationary bootstrap of *series*; 1 to a quarter of it."""
    n = len(series)
    longest = max(1.0, n / 4)
    deviations = series - series.mean() if n else series
    variance = float(deviations @ deviations) / max(n, 1)
    if n < 8 or variance <= 0:
        return 1.0
    most = min(n - 1, int(np.ceil(np.sqrt(n))) + max(5, int(np.log10(n))))
    covariances = np.array([float(deviations[: n - lag] @ deviations[lag:]) / n for lag in range(most + 1)])
    # The lag after which correlations are no longer told from noise, K of them in a row.
    noise = 2 * np.sqrt(np.log10(n) / n)
    in_a_row = max(5, int(np.sqrt(np.log10(n))))
    quiet = np.abs(covariances[1:] / variance) < noise
    cut = next((lag for lag in range(len(quiet)) if quiet[lag : lag + in_a_row].all()), len(quiet))
    span = min(2 * max(cut, 1), most)
    lags = np.arange(-span, span + 1)
    # Flat-top window: whole weight to half of the span, then down to nothing.
    weights = np.clip(2 * (1 - np.abs(lags) / span), 0, 1)
    around = covariances[np.abs(lags)]
    g = float(np.sum(weights * np.abs(lags) * around))
    d = 2 * float(np.sum(weights * around)) ** 2
    return float(np.clip((2 * g**2 / d) ** (1 / 3) * n ** (1 / 3), 1.0, longest)) if d > 0 else 1.0


def first_autocorrelation(series: Floats) -> float:
    """Return the correlation of neighbours in *series*, corrected for its bias in short series; 0 to 0.98.

    Source: M. G. Kendall, "Note on bias in the estimation of autocorrelation", Biometrika 41 (1954).
    """
    n = len(series)
    deviations = series - series.mean() if n else series
    variance = float(deviations @ deviations)
    if n < 8 or variance <= 0:
        return 0.0
    found = float(deviations[:-1] @ deviations[1:]) / variance
    return float(np.clip(found + (1 + 3 * found) / n, 0.0, 0.98)) if found > 1 / np.sqrt(n) else 0.0


@dataclass(frozen=True, slots=True)
class Dependence:
    """How far the seconds of a run depend on each other.

    Attributes:
        block: Mean block length for its bootstrap, in rows.
        pieces: Independent pieces that the run is worth.
        widening: What blocks of this length miss of the dependence, as a factor of a deviation (of an AR(1) process).
    """

    block: float
    pieces: float
    widening: float


def dependence_of(run: Seconds, unit: str) -> Dependence:
    """Return how far a run's seconds depend on each other in what a quantity of this unit is made from."""
    series = {"requests/s": run.answered, "ratio": run.failed}.get(unit)
    if series is None:
        series = _log_means(run)
    block, rho = block_length(series), first_autocorrelation(series)
    caught = rho * (1 - 1 / block)
    whole, seen = (1 + rho) / (1 - rho), (1 + caught) / (1 - caught)
    return Dependence(block, len(run) / whole, math.sqrt(whole / seen))


def _log_means(run: Seconds) -> Floats:
    with np.errstate(divide="ignore", invalid="ignore"):
        mean_ns = np.where(run.answered > 0, run.counts @ run.values_ns / np.maximum(run.counts.sum(axis=1), 1), np.nan)
    known = np.isfinite(mean_ns) & (mean_ns > 0)
    return np.asarray(np.log(mean_ns[known]))


def draw_weights(n: int, length: float, draws: int, rng: np.random.Generator) -> Floats:
    """Return how often each of *n* seconds is in each of *draws* redrawn runs; shape (draws, n), rows sum to n."""
    begins = rng.random((draws, n)) < 1 / length
    begins[:, 0] = True
    fresh = rng.integers(0, n, size=(draws, n))
    # Where a block begins is drawn; within it, second follows second.
    at_begin = np.maximum.accumulate(np.where(begins, np.arange(n), 0), axis=1)
    chosen = (np.take_along_axis(fresh, at_begin, axis=1) + np.arange(n) - at_begin) % n
    weights = np.zeros((draws, n))
    np.add.at(weights, (np.arange(draws)[:, None], chosen), 1.0)
    return weights


def side_weights(
    runs: Sequence[Seconds], dependences: Sequence[Dependence], draws: int, rng: np.random.Generator
) -> list[Floats]:
    """Return the weights of each run's seconds in each redrawn side; runs are drawn as wholes where there are several."""
    chosen = np.ones((draws, len(runs)))
    if len(runs) > 1:
        picks = rng.integers(0, len(runs), size=(draws, len(runs)))
        chosen = np.stack([(picks == at).sum(axis=1) for at in range(len(runs))], axis=1).astype(float)
    return [
        draw_weights(len(run), dependence.block, draws, rng) * chosen[:, [at]]
        for at, (run, dependence) in enumerate(zip(runs, dependences, strict=True))
    ]
