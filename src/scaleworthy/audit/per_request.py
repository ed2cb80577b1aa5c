"""How often does each step of a load run a statement, per request?

Model:    calls[t] = Σ over steps of factor[step] × answered[step][t] + constant × seconds[t], all ≥ 0.
Units:    calls per answered request. Groups of 5 s, since the database is sampled up to a second apart from the load.
Interval: 95 %, by resampling the groups 200 times with a fixed seed: the same recording gives the same answer.
Not here: which factor is too high (the check says so).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scaleworthy.series import Store

GROUP_S = 5
GROUPS_MIN = 6
# Two steps whose counts correlate more than this rise and fall together: least squares cannot part them.
CORRELATION_MAX = 0.98
# Below this spread (standard deviation over mean) a step's rate hardly varies.
SPREAD_MIN = 0.05
RESAMPLES = 200
# The constant stays when it takes this part off the residual.
CONSTANT_MIN = 0.3

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Factor:
    """Calls of one statement per answered request of *step*; None: of any step, since they could not be parted."""

    step: str | None
    calls: float
    interval: tuple[float, float]
    requests: int


def per_request(
    store: Store, queryids: Sequence[str], *, window: tuple[int, int] | None = None, seed: int = 1
) -> dict[str, tuple[Factor, ...]]:
    """Return, per statement, the steps that run it and how often, the highest factor first."""
    steps = sorted(store.by_label("load.answered", "step", window=window))
    span = window or store.span()
    if not steps or span is None or span[1] <= span[0]:
        return {}
    group_s = max(1, min(GROUP_S, (span[1] - span[0]) // (2 * (len(steps) + 1))))
    edges = np.arange(span[0], span[1] + group_s, group_s, dtype=np.int64)
    answered = np.column_stack([_grouped(store, "load.answered", "step", step, edges) for step in steps])
    seconds = np.diff(np.minimum(edges, span[1])).astype(np.float64)
    kept = answered.sum(axis=1) > 0
    answered, seconds = answered[kept], seconds[kept]
    apart = _steps_apart(answered)
    found = {}
    for queryid in queryids:
        calls = _grouped(store, "postgres.statement_calls", "queryid", queryid, edges)[kept]
        if apart:
            found[queryid] = _by_step(answered, seconds, calls, steps, seed)
        else:
            found[queryid] = _overall(answered, calls, steps, seed)
    return found


def _grouped(store: Store, name: str, label: str, value: str, edges: NDArray[np.int64]) -> Floats:
    at, counts = store.per_second(name, labels={label: value}, window=(int(edges[0]), int(edges[-1])))
    summed, _ = np.histogram(at, bins=edges, weights=counts)
    return summed.astype(np.float64)


def _steps_apart(answered: Floats) -> bool:
    """Whether the steps vary enough, and differently enough, to tell their statements apart."""
    groups, steps = answered.shape
    if steps == 1:
        return True
    if groups < max(GROUPS_MIN, steps + 2):
        return False
    mean = answered.mean(axis=0)
    if np.any(answered.std(axis=0) < SPREAD_MIN * mean):
        return False
    correlation: Floats = np.asarray(np.corrcoef(answered, rowvar=False))
    return bool(np.all(np.abs(correlation[~np.eye(steps, dtype=bool)]) <= CORRELATION_MAX))


def _by_step(answered: Floats, seconds: Floats, calls: Floats, steps: Sequence[str], seed: int) -> tuple[Factor, ...]:
    from scipy.optimize import nnls  # a third of a second to import, and only a recording needs it

    # The constant is for what runs beside the load. It is kept only where it explains much that the steps do not: else it takes
    # a share of what they do.
    design = answered
    factors, residual = nnls(answered, calls)
    if len(calls) > answered.shape[1] + 1:
        beside = np.column_stack([answered, seconds])
        with_constant, smaller = nnls(beside, calls)
        if smaller < (1 - CONSTANT_MIN) * residual:
            design, factors = beside, with_constant
    resampled = np.array([nnls(design[pick], calls[pick])[0] for pick in _resamples(len(calls), seed)])
    low: Floats = np.percentile(resampled, 2.5, axis=0)
    high: Floats = np.percentile(resampled, 97.5, axis=0)
    found = [
        Factor(step, float(factors[at]), (float(low[at]), float(high[at])), round(float(answered[:, at].sum())))
        for at, step in enumerate(steps)
        if factors[at] > 0
    ]
    return tuple(sorted(found, key=lambda factor: (-factor.calls, factor.step or "")))


def _overall(answered: Floats, calls: Floats, steps: Sequence[str], seed: int) -> tuple[Factor, ...]:
    requests = answered.sum(axis=1)
    if requests.sum() <= 0 or not len(calls):
        return ()
    ratios = [calls[pick].sum() / requests[pick].sum() for pick in _resamples(len(calls), seed)]
    low, high = np.percentile(np.array(ratios), 2.5), np.percentile(np.array(ratios), 97.5)
    ratio = float(calls.sum() / requests.sum())
    only = steps[0] if len(steps) == 1 else None
    return (Factor(only, ratio, (float(low), float(high)), round(float(requests.sum()))),)


def _resamples(groups: int, seed: int) -> NDArray[np.int64]:
    return np.random.default_rng(seed).integers(0, groups, size=(RESAMPLES, groups))
