"""Judge an objective on what was measured: over the whole, or in windows that slide second by second.

`over 10s` looks at every window of ten seconds and holds when it held in each. `for 30s` forgives what lasts less than 30
seconds: it is broken when 30 windows in a row, each a second later than the one before, were all broken.
"""

from __future__ import annotations

from dataclasses import replace

from scaleworthy.series.objectives.expression import Expression
from scaleworthy.series.objectives.measure import Measurement, group_span, measure, missing, value_in
from scaleworthy.series.objectives.outcome import Outcome
from scaleworthy.series.store import Store, Window


def evaluate(expression: Expression, store: Store, window: Window | None) -> Outcome:
    """Return whether *expression* held in *window*; None for all that was measured."""
    if expression.over_s is None and expression.for_s is None:
        return _outcome(expression, measure(expression, store, window))
    why = missing(expression, store)
    group = group_span(expression, store)
    span = window or group
    if why or span is None:
        return _outcome(expression, Measurement(None, why=why))
    width, stretch = expression.over_s or 1, expression.for_s or 1
    starts = range(span[0], span[1] - width + 1)
    if len(starts) < stretch:
        needed, there = width + stretch - 1, span[1] - span[0]
        return _outcome(expression, Measurement(None, why=f"{needed} s are needed, {there} s were measured"))
    measured = [value_in(expression, store, (start, start + width), group) for start in starts]
    decided = _decisive(expression, measured, stretch)
    if decided is None:
        known = sum(one.value is not None for one in measured)
        why = f"no {stretch} s in a row have a value" if known else measured[0].why
        return _outcome(expression, Measurement(None, why=why))
    first, deciding = decided
    outcome = _outcome(expression, measured[deciding])
    return replace(outcome, window=(starts[first], starts[first] + width + stretch - 1))


def _decisive(expression: Expression, measured: list[Measurement], stretch: int) -> tuple[int, int] | None:
    """Return (first window of the worst stretch, its least bad window): the one that decides whether all of it was broken.

    A window without a value breaks a stretch: what is not known to be broken does not count as broken.
    """
    sign = 1.0 if expression.wants_less else -1.0
    worst: tuple[float, int, int] | None = None
    for first in range(len(measured) - stretch + 1):
        values = [
            (sign * one.value, first + at)
            for at, one in enumerate(measured[first : first + stretch])
            if one.value is not None
        ]
        if len(values) < stretch:
            continue
        least_bad, at = min(values)
        if worst is None or least_bad > worst[0]:
            worst = (least_bad, first, at)
    return worst and (worst[1], worst[2])


def _outcome(expression: Expression, of: Measurement) -> Outcome:
    held = margin = None
    if of.value is not None:
        held = expression.holds(of.value)
        distance = expression.limit - of.value if expression.wants_less else of.value - expression.limit
        margin = distance / (expression.limit or 1.0)
    return Outcome(
        text=str(expression),
        held=held,
        value=of.value,
        limit=expression.limit,
        unit=expression.unit,
        count=of.count,
        interval=of.interval,
        margin=margin,
        why=of.why,
    )
