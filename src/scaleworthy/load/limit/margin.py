"""How far from its limit did a probe stay, and how sure is that?

The margin of a latency is log(limit / value): above 0 it holds. Of anything else it is the distance as a ratio of the limit, compressed
by a logarithm below 0. Both are bounded, so that one hopeless probe does not bend the curve that is fitted through all of them.

The error of a margin is *not* that of independent samples: requests that wait in one queue are late together, and the
order-statistic interval of their quantile is many times too narrow. For a quantile, what counts is how many requests of each second
lie above it: the variance of those counts over that of independent requests is the *design effect*, the effective sample size is
count / design effect, and the error follows from it and the slope of the distribution at the quantile. The same for the ratio of
failures. Everything else is judged by batch means over seconds. Correlation between seconds (AR(1), with its bias in short rows,
(1 + 3 r) / n, added back) widens all of them by (1 + r) / (1 - r).
Sources: Law & Kelton, Simulation Modeling and Analysis, 9.5.3 (batch means); Kish, Survey Sampling 8.2 (design effect);
Marriott & Pope, Biometrika 41 (1954) 390 (bias of r).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from scipy.special import stdtrit

from scaleworthy.series import Objective, Outcome, Store

NOISE_FREEDOM = 5.0
"""How well the noise is known: Student's t of so many degrees of freedom stands for its errors."""
LOWEST, HIGHEST = -2.0, 2.0
UNSEEN_S = 15.0
FEW = 0.25
"""The least error of a quantile from too few samples for an interval."""
_HALF_LEAST_S = 5
_BLOCKS_LEAST = 3
_Z95 = NormalDist().inv_cdf(0.975)
_CORRELATION_MOST = 0.9
Window = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Margin:
    """One objective over one probe.

    Attributes:
        value: The margin.
        independent_error: Its standard error, if requests were independent of each other.
        design_effect: How many times their dependence widened its variance, within this probe; at least 1.
        count: Samples behind it.
        ratio: As it was seen: how far the value was from its limit, as a ratio of the limit.
        bias_error: The bias that was taken off; it is known no better than that.
        few: A quantile of too few samples for an interval: it decides nothing on its own.
        queueing: A latency quantile: requests in one queue are late together, and probes near the limit share their design effect.
    """

    objective: str
    value: float
    independent_error: float
    design_effect: float
    count: int
    ratio: float
    bias_error: float = 0.0
    queueing: bool = False
    few: bool = False

    def error(self, *, design_effect: float = 1.0) -> float:
        """Return the standard error; *design_effect* is what other probes of the same kind showed."""
        return math.hypot(self.independent_error * math.sqrt(max(self.design_effect, design_effect)), self.bias_error)


def samples_least(q: float, confidence: float) -> int:
    """Return the fewest samples from which a quantile has an interval (order statistics).

    The interval's ends are samples, so it needs q^n and (1 - q)^n below half of what *confidence* leaves.
    """
    if not 0 < q < 1:
        return 1
    return math.ceil(math.log((1 - confidence) / 2) / math.log(max(q, 1 - q)))


class Judge:
    """Judges windows of a store by objectives."""

    def __init__(self, objectives: Sequence[str], store: Store, *, confidence: float = 0.95) -> None:
        self._objectives = [Objective.parse(text) for text in objectives]
        self._store = store
        self._confidence = confidence
        self.z = float(stdtrit(NOISE_FREEDOM, 0.5 + confidence / 2))

    def margins(self, window: Window) -> list[Margin] | None:
        """Return each objective's margin; None while one of them has no value."""
        found: list[Margin] = []
        for objective in self._objectives:
            outcome = objective.evaluate(self._store, window)
            if outcome.margin is None:
                return None
            found.append(self._margin(objective, outcome, window))
        return found

    def _margin(self, objective: Objective, outcome: Outcome, window: Window) -> Margin:
        wanted = objective.expression
        if wanted.over_s is None and wanted.for_s is None:
            if wanted.q is not None:
                return self._of_quantile(objective, outcome, window, wanted.q)
            if wanted.function == "ratio" and outcome.value is not None:
                return self._of_ratio(objective, outcome, window)
        return self._of_blocks(objective, outcome, window)

    def _of_quantile(self, objective: Objective, outcome: Outcome, window: Window, q: float) -> Margin:
        assert outcome.margin is not None
        assert outcome.value is not None
        selector = objective.expression.series[0]
        labels = dict(selector.labels)
        records = self._store.histogram(selector.name, labels=labels, window=window)
        above, counts = [], []
        for second in range(*window):
            here = self._store.histogram(selector.name, labels=labels, window=(second, second + 1))
            above.append(here.count_above(round(outcome.value)))
            counts.append(here.count)
        # The slope of log(value) over the share below it, from half as many to half as many again beyond the quantile.
        high, low = records.quantile(1 - (1 - q) / 2), records.quantile(max(1 - (1 - q) * 1.5, 0.0))
        slope = math.log(max(high or 1, 1) / max(low or 1, 1)) / (1 - q)
        independent = slope * math.sqrt(q * (1 - q) / records.count)
        few = records.count < samples_least(q, self._confidence)
        if few:
            independent = max(independent, FEW)
        effect = design_effect(above, counts, 1 - q)
        value = logarithmic(outcome.margin)
        bias = 0.0 if few else self._bias(objective, value, window)
        return Margin(
            outcome.text,
            min(max(value - bias, LOWEST), HIGHEST),
            independent,
            effect,
            outcome.count,
            outcome.margin,
            bias_error=abs(bias),
            queueing=True,
            few=few,
        )

    def _bias(self, objective: Objective, value: float, window: Window) -> float:
        """Return by how much the margin of a quantile is likely too good.

        A short window seldom meets the rare burst that makes the tail: its quantile is too low, by an amount that falls as one over
        its length. Two halves show how much (the jackknife; Quenouille, Biometrika 43 (1956) 353).
        """
        start, end = window
        if end - start < 2 * _HALF_LEAST_S:
            return 0.0
        middle = (start + end) // 2
        halves = [objective.evaluate(self._store, half).margin for half in ((start, middle), (middle, end))]
        known = [logarithmic(margin) for margin in halves if margin is not None]
        return sum(known) / 2 - value if len(known) == 2 else 0.0

    def _of_ratio(self, objective: Objective, outcome: Outcome, window: Window) -> Margin:
        assert outcome.value is not None
        assert outcome.margin is not None
        part, whole = (
            [
                self._store.total(selector.name, labels=dict(selector.labels), window=(second, second + 1))
                for second in range(*window)
            ]
            for selector in objective.expression.series
        )
        low, high = outcome.interval or (outcome.value, outcome.value)
        # Wilson's interval is right for none and for few; as the log of the value it is taken where the margin is 0.
        independent = (high - low) / (2 * _Z95) / max(outcome.value, outcome.limit, 1e-9)
        effect = design_effect(part, whole, outcome.value)
        return Margin(outcome.text, compressed(outcome.margin), independent, effect, outcome.count, outcome.margin)

    def _of_blocks(self, objective: Objective, outcome: Outcome, window: Window) -> Margin:
        assert outcome.margin is not None
        values = [
            compressed(margin)
            for second in range(*window)
            if (margin := objective.evaluate(self._store, (second, second + 1)).margin) is not None
        ]
        error = 1 / math.sqrt(max(outcome.count, 1))  # no relative error is below 1/√n
        if len(values) >= _BLOCKS_LEAST:
            error = max(error, error_of_mean(values))
        return Margin(outcome.text, compressed(outcome.margin), error, 1.0, outcome.count, outcome.margin)


def compressed(margin: float) -> float:
    """Return a margin as the search uses it: linear where it holds, logarithmic and bounded where it does not."""
    return margin if margin >= 0 else max(-math.log1p(-margin), LOWEST)


def logarithmic(margin: float) -> float:
    """Return log(limit / value) of a margin, bounded: noise in a latency multiplies it, wherever it stands."""
    return min(max(-math.log(max(1 - margin, 1e-9)), LOWEST), HIGHEST)


def design_effect(parts: Sequence[float], wholes: Sequence[float], share: float) -> float:
    """Return how many times wider than by independent chance the *parts* of the *wholes*, one a second, scatter about *share*."""
    part, whole = np.asarray(parts, float), np.asarray(wholes, float)
    independent = share * (1 - share) * float(whole.sum())
    if len(part) < 2 or independent <= 0:
        return 1.0
    off = part - whole * (part.sum() / max(whole.sum(), 1.0))
    widened = len(off) / effective_size(off) * len(off) / (len(off) - 1)
    # What changes more slowly than the row is long cannot be seen in it.
    return max(float(off @ off) * widened / independent * (1 + UNSEEN_S / len(off)), 1.0)


def error_of_mean(values: Sequence[float]) -> float:
    """Return the standard error of the mean of correlated *values*, as wide as a normal one must be to give Student's interval."""
    row = np.asarray(values)
    size = effective_size(row)
    ratio = float(stdtrit(max(size - 1, 1.0), 0.975)) / _Z95
    return ratio * float(row.std(ddof=1)) / math.sqrt(size)


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


def decide(margins: Sequence[Margin], errors: Sequence[float], *, z: float) -> bool | None:
    """Return True where every objective surely held, False where one surely did not, None in between."""
    pairs = list(zip(margins, errors, strict=True))
    if any(margin.value + z * error < 0 and not margin.few for margin, error in pairs):
        return False
    return True if all(margin.value - z * error > 0 and not margin.few for margin, error in pairs) else None


def binding(margins: Sequence[Margin]) -> Margin:
    """Return the objective that is broken most, or nearest to it."""
    return min(margins, key=lambda margin: margin.value)
