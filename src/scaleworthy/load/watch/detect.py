"""Does a run fall out of what the runs before it were like?

Question: is this run worse than its history by more than runs differ from each other by themselves?
Model:    runs of one service are independent and their figures normal on a scale where they are (logarithm of a time, arcsine of the
          root of a share). A new run lies above the upper prediction bound mean + t·s·√(1 + 1/n) of n earlier ones with a probability that
          is stated; it is shared out over the figures and both references (Bonferroni), so that it holds for the run as a whole.
Units:    milliseconds; ratios 0 to 1.
Against drift, a run is held to two references: the latest runs, and the first ones since the history began. A change that creeps in
never leaves the former, but leaves the latter.
Source:   G. J. Hahn, W. Q. Meeker, "Statistical Intervals", 1991, 4.7.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.stats import t as student_t

from scaleworthy.load.watch.history import FIGURES, Figures

RUNS_LEAST = 5
LATEST = 30
FIRST = 10
FALSE_ALARMS = 0.01
FLOOR = 0.05
FLOOR_FAILED = 0.001


@dataclass(frozen=True, slots=True)
class Regression:
    """One figure of a run that fell out of its history.

    Attributes:
        usual: Its mean over the reference's runs, in the figure's own unit.
        bound: The highest value that would still have passed for chance.
        reference: The latest runs, or the first ones.
        runs: How many there were.
    """

    figure: str
    value: float
    usual: float
    bound: float
    reference: Literal["latest", "first"]
    runs: int

    def __str__(self) -> str:
        times = f", {self.value / self.usual - 1:+.0%}" if self.usual > 0 and self.figure != "failed" else ""
        shown = "{:.2%}" if self.figure == "failed" else "{:.4g} ms"
        return (
            f"{self.figure} {shown.format(self.value)}{times} against the {self.reference} {self.runs} runs "
            f"(usual {shown.format(self.usual)}, by chance up to {shown.format(self.bound)})"
        )


def regressions(
    run: Figures, history: Sequence[Figures], *, false_alarms: float = FALSE_ALARMS, floor: float = FLOOR
) -> list[Regression]:
    """Return what is worse in *run* than in *history* (oldest first); nothing while there are fewer than 5 runs.

    Args:
        false_alarms: The probability that a run of an unchanged service is called worse in anything.
        floor: The relative change that matters; of a share of failed requests 0.1 points do.
    """
    if len(history) < RUNS_LEAST:
        return []
    references: list[tuple[Literal["latest", "first"], Sequence[Figures]]] = [("latest", history[-LATEST:])]
    if len(history) > LATEST:
        references.append(("first", history[:FIRST]))
    alpha = false_alarms / (len(FIGURES) * len(references))
    found = []
    for figure in FIGURES:
        for name, reference in references:
            regression = _judge(figure, run, name, reference, alpha, floor)
            if regression is not None:
                found.append(regression)
                break
    return found


def _judge(
    figure: str,
    run: Figures,
    name: Literal["latest", "first"],
    reference: Sequence[Figures],
    alpha: float,
    floor: float,
) -> Regression | None:
    value = run.value(figure)
    known = [(earlier, was) for earlier in reference if (was := earlier.value(figure)) is not None]
    if value is None or len(known) < RUNS_LEAST:
        return None
    scaled = np.array([_scale(figure, was) for _, was in known])
    deviation = float(scaled.std(ddof=1))
    if figure == "failed":
        # Chance alone moves the arcsine of a share's root by half of one over the root of the requests.
        deviation = max(
            deviation, 0.5 / math.sqrt(max(1, min(run.started, *(earlier.started for earlier, _ in known))))
        )
    n = len(known)
    mean = float(scaled.mean())
    bound = _unscale(figure, mean + float(student_t.ppf(1 - alpha, n - 1)) * deviation * math.sqrt(1 + 1 / n))
    usual = _unscale(figure, mean)
    matters = usual + FLOOR_FAILED if figure == "failed" else usual * (1 + floor)
    if value <= max(bound, matters):
        return None
    return Regression(figure, value, usual, bound, name, n)


def _scale(figure: str, value: float) -> float:
    return math.asin(math.sqrt(value)) if figure == "failed" else math.log(max(value, 1e-6))


def _unscale(figure: str, value: float) -> float:
    return math.sin(min(max(value, 0.0), math.pi / 2)) ** 2 if figure == "failed" else math.exp(value)
