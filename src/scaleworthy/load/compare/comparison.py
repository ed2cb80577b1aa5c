"""Compare two sides of one or more runs each: change, interval, verdict, and how long to run where it is unsure.

A verdict takes both: the interval must exclude "no change", and the change must be above the practical floor. `same` means that
the whole interval lies within the floor. Intervals are widened for the number of quantities looked at (Šidák), so that a comparison
of two runs of the same service calls anything worse or better in at most 5 of 100 cases altogether.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from scipy.stats import norm
from scipy.stats import t as student_t

from scaleworthy.errors import UsageError
from scaleworthy.load.compare.bootstrap import dependence_of, side_weights
from scaleworthy.load.compare.quantity import QUANTITIES, Quantity
from scaleworthy.load.compare.seconds import Floats, Seconds, seconds_of
from scaleworthy.load.summary import run_window, summarize
from scaleworthy.series import Store

Verdict = Literal["same", "better", "worse", "unsure"]
DRAWS = 2_000
FLOOR = 0.05
FLOOR_FAILED = 0.001
SECONDS_LEAST = 10
CONFIDENCE = 0.95
PIECES_LEAST = 8
"""A run worth fewer independent pieces cannot tell its own dependence well: its intervals are doubled, and it is said."""


@dataclass(frozen=True, slots=True)
class Change:
    """How one quantity changed.

    Attributes:
        step: The step it is of; None for all requests.
        before: Its value over the first side's runs, in `unit`.
        after: The same of the second side.
        change: A ratio of `before` (0.07 is 7 % more), or for `failed` the difference of the shares.
        interval: Of the change, at the comparison's confidence.
        floor: The change that matters.
        seconds_needed: How long each side would have to be measured to be sure; None where it is sure, or where no length would.
    """

    quantity: str
    step: str | None
    unit: str
    before: float
    after: float
    change: float
    interval: tuple[float, float]
    floor: float
    verdict: Verdict
    seconds_needed: float | None


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two sides, compared.

    Attributes:
        verdict: `worse` if anything of the whole run is, else `unsure`, `better`, `same`, in this order.
        confidence: Of each interval, so that all together have 95 %.
        warnings: Why the sides may not be comparable, in sentences.
    """

    changes: tuple[Change, ...]
    verdict: Verdict
    confidence: float
    seconds: tuple[float, float]
    runs: tuple[int, int]
    warnings: tuple[str, ...]
    seed: int

    @property
    def exit_status(self) -> int:
        """1 when something got worse, otherwise 0."""
        return 1 if self.verdict == "worse" else 0

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for JSON (docs/reference/compare.md)."""
        return {
            "schema": 1,
            "verdict": self.verdict,
            "confidence": round(self.confidence, 6),
            "seconds": list(self.seconds),
            "runs": list(self.runs),
            "seed": self.seed,
            "warnings": list(self.warnings),
            "changes": [asdict(change) | {"interval": list(change.interval)} for change in self.changes],
        }


def compare(
    before: Sequence[Store],
    after: Sequence[Store],
    *,
    floor: float = FLOOR,
    warm_up_s: int = 0,
    by_step: bool = True,
    seed: int = 1,
) -> Comparison:
    """Return how the runs in *after* differ from those in *before*.

    Args:
        floor: The relative change that matters; smaller ones are `same`. A share of failed requests matters from 0.1 % on.
        warm_up_s: Seconds to leave out at each run's beginning.
        by_step: Also look at each step that all runs have.
        seed: Of the bootstrap's draws.

    Raises:
        UsageError: A run is too short, or nothing was answered in it.
    """
    sides = [[seconds_of(store, warm_up_s=warm_up_s) for store in side] for side in (before, after)]
    for side, name in zip(sides, ("before", "after"), strict=True):
        for run in side:
            _check(run, name)
    quantities: list[tuple[str | None, Quantity, list[list[Seconds]]]] = []
    quantities += [(None, quantity, sides) for quantity in QUANTITIES]
    if by_step:
        for name in _common_steps([*before, *after]):
            parts = [[seconds_of(store, step=name, warm_up_s=warm_up_s) for store in side] for side in (before, after)]
            quantities += [(name, quantity, parts) for quantity in QUANTITIES if quantity.unit == "ms"]
    quantities = [(step, quantity, parts) for step, quantity, parts in quantities if _enough(quantity, parts)]
    confidence = CONFIDENCE ** (1 / max(len(quantities), 1))
    rng = np.random.default_rng(seed)
    drawn: dict[tuple[str | None, str], _Drawn] = {}
    changes = []
    for step, quantity, parts in quantities:
        key = (step, quantity.unit)
        if key not in drawn:
            drawn[key] = _draw(parts, quantity.unit, confidence, rng)
        changes.append(_change(step, quantity, parts, drawn[key], confidence, floor))
    warnings = list(_warnings(before, after))
    if any(draws.few for draws in drawn.values()):
        warnings.append(
            "seconds depend on each other so much that a run is worth few of them, so intervals are doubled; run longer"
        )
    whole_s = tuple(float(sum(run.length_s for run in side)) for side in sides)
    return Comparison(
        changes=tuple(changes),
        verdict=_overall([change for change in changes if change.step is None]),
        confidence=confidence,
        seconds=(whole_s[0], whole_s[1]),
        runs=(len(before), len(after)),
        warnings=tuple(warnings),
        seed=seed,
    )


def _check(run: Seconds, side: str) -> None:
    if not run.answered.sum():
        raise UsageError(f"nothing was answered in the run {side!r}", hint="scaleworthy report FILE.sw says why")
    if run.length_s < SECONDS_LEAST:
        raise UsageError(
            f"the run {side!r} has {run.length_s} whole seconds, and it takes {SECONDS_LEAST} to see how far they vary by themselves",
            hint="record longer runs: --for 1m",
        )


def _common_steps(stores: Sequence[Store]) -> list[str]:
    steps = [list(store.by_label("load.answered", "step", window=run_window(store))) for store in stores]
    common = [step for step in steps[0] if all(step in others for others in steps)]
    return common if len(common) > 1 else []


def _enough(quantity: Quantity, sides: Sequence[Sequence[Seconds]]) -> bool:
    return all(sum(run.answered.sum() for run in side) >= quantity.least for side in sides)


def _change(
    step: str | None,
    quantity: Quantity,
    sides: Sequence[Sequence[Seconds]],
    drawn: _Drawn,
    confidence: float,
    floor: float,
) -> Change:
    ones = [[np.ones((1, len(run))) for run in side] for side in sides]
    before, after = (float(quantity.of(side, one)[0]) for side, one in zip(sides, ones, strict=True))
    drawn_before, drawn_after = (quantity.of(side, weights) for side, weights in zip(sides, drawn.weights, strict=True))
    if quantity.relative:
        logs = np.log(np.maximum(drawn_after, 1e-12)) - np.log(np.maximum(drawn_before, 1e-12))
        change = after / before - 1 if before else 0.0
        low, high = np.expm1(_interval(logs, math.log1p(change), confidence, drawn.wider))
    else:
        change, floor = after - before, FLOOR_FAILED
        low, high = _interval(drawn_after - drawn_before, change, confidence, drawn.wider)
    sign = 1 if quantity.lower_is_better else -1
    verdict = _verdict(change * sign, sorted((low * sign, high * sign)), floor)
    seconds = min(sum(run.length_s for run in side) for side in sides)
    return Change(
        quantity=quantity.name,
        step=step,
        unit=quantity.unit,
        before=before,
        after=after,
        change=change,
        interval=(float(low), float(high)),
        floor=floor,
        verdict=verdict,
        seconds_needed=_seconds_needed(change, low, high, floor, seconds) if verdict == "unsure" else None,
    )


@dataclass(frozen=True, slots=True)
class _Drawn:
    """Weights of both sides' redrawn runs, and by how much intervals from them are too narrow."""

    weights: list[list[Floats]]
    wider: float
    few: bool


def _draw(sides: Sequence[Sequence[Seconds]], unit: str, confidence: float, rng: np.random.Generator) -> _Drawn:
    """Redraw both sides.

    Few independent pieces give few degrees of freedom: Student's t in place of the normal distribution. Of several runs a side,
    each is one piece: what differs between them may be larger than anything within.
    """
    dependences = [[dependence_of(run, unit) for run in side] for side in sides]
    weights = [side_weights(side, depends, DRAWS, rng) for side, depends in zip(sides, dependences, strict=True)]
    pieces = sum(side[0].pieces if len(side) == 1 else len(side) for side in dependences)
    tail = (1 + confidence) / 2
    wider = float(student_t.ppf(tail, max(pieces - len(sides), 1.0)) / norm.ppf(tail))
    wider *= max(run.widening for side in dependences for run in side)
    few = min(run.pieces for side in dependences for run in side) < PIECES_LEAST
    return _Drawn(weights, wider * 2 if few else wider, few)


def _interval(drawn: Floats, middle: float, confidence: float, wider: float) -> Floats:
    ends = np.quantile(drawn, ((1 - confidence) / 2, (1 + confidence) / 2))
    return np.asarray(middle + (ends - middle) * wider)


def _verdict(worsening: float, interval: Sequence[float], floor: float) -> Verdict:
    """Judge a change whose positive direction is worse."""
    low, high = interval
    if -floor <= low and high <= floor:
        return "same"
    if low > 0 and worsening > floor:
        return "worse"
    if high < 0 and worsening < -floor:
        return "better"
    return "unsure"


def _seconds_needed(change: float, low: float, high: float, floor: float, seconds: float) -> float | None:
    """Return how long it would take until the interval is narrow enough, if the change stays what it is.

    The interval's width falls with the root of the length. A change near the floor itself is never sure.
    """
    half = (high - low) / 2
    wanted = abs(change) if abs(change) > floor else floor - abs(change)
    if wanted < floor / 10 or half <= 0:
        return None
    return float(np.ceil(seconds * max(1.0, half / wanted) ** 2 * 1.2))


def _overall(changes: Sequence[Change]) -> Verdict:
    # How many requests an open load makes is its own choice, and varies: being unsure of that says nothing of the service.
    found = {change.verdict for change in changes if (change.quantity, change.verdict) != ("requests/s", "unsure")}
    order: tuple[Verdict, ...] = ("worse", "unsure", "better", "same")
    return next((verdict for verdict in order if verdict in found), "unsure")


_COMPARABLE = {
    "target": "the target",
    "shape": "the load",
    "speed": "the speed",
    "connections_max": "the most connections",
}


def _warnings(before: Sequence[Store], after: Sequence[Store]) -> list[str]:
    found = []
    for name, words in _COMPARABLE.items():
        values = [{str(store.fact("load", name)) for store in side} for side in (before, after)]
        if values[0] != values[1]:
            found.append(f"{words} differs: {_listed(values[0])} before, {_listed(values[1])} after")
    hosts = [{_host(store) for store in side} for side in (before, after)]
    if hosts[0] != hosts[1]:
        found.append(f"the machine differs: {_listed(hosts[0])} before, {_listed(hosts[1])} after")
    for side, name in ((before, "before"), (after, "after")):
        limited = sum(summarize(store).generator.limited for store in side)
        if limited:
            found.append(f"{name}: in {limited} of {len(side)} runs the generator itself was the limit")
    if len(before) == len(after) == 1:
        found.append(
            "one run a side: the intervals hold what varies within a run, not from one start of the service to the next; "
            "give several runs a side for that"
        )
    return found


def _host(store: Store) -> str:
    host = store.fact("run", "host") or {}
    return f"{host.get('cpu', 'an unknown CPU')}, {host.get('cores', '?')} cores"


def _listed(values: set[str]) -> str:
    return " and ".join(sorted(values))
