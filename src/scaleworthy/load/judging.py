"""Judge a run by its objectives: each on its part of the run, at the end, and while it goes on where a breach ends it.

A recording keeps with each objective the part of the run that it is about, in seconds from the start (`PlanObjective.to_fact`), so
that a run that was killed is judged like any other. Parts are cut to whole seconds within them: a run starts between two.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from scaleworthy.load.objectives import breaks_for_good
from scaleworthy.series import Objective, Outcome, Store
from scaleworthy.series.objectives.expression import Expression

Window = tuple[int, int]
_EVERY = 1.02
"""A whole run is judged anew when it is this much longer: each second at first, so that the cost does not grow with its square."""


@dataclass(frozen=True, slots=True)
class Judged:
    """An objective's outcome, and of which part of the run: `stage 2`, `stage peak after 10s`; empty for all of it."""

    outcome: Outcome
    where: str

    @property
    def text(self) -> str:
        """The objective with the part of the run."""
        return f"{self.outcome.text} in {self.where}" if self.where else self.outcome.text


@dataclass(frozen=True, slots=True)
class Breach:
    """What ended a run: which of its objectives, in what words, by which value."""

    at: int
    text: str
    value: float | None


def judge(store: Store, run: Window) -> list[Judged]:
    """Return the outcome of each objective of the load run in *store*, whose seconds are *run*."""
    facts = store.facts("load")
    breach = facts.get("breach")
    found: list[Judged] = []
    for at, fact in enumerate(facts.get("objectives") or ()):
        part = fact if isinstance(fact, Mapping) else {"text": fact}
        window = part_of(run, part)
        objective = Objective.parse(part["text"])
        outcome = objective.evaluate(store, window) if window else _unseen(objective)
        if breach and breach["at"] == at and outcome.held is not False:
            outcome = replace(outcome, held=False, value=breach["value"], interval=None, margin=None)
        found.append(Judged(outcome, part.get("where") or ""))
    return found


def part_of(run: Window, part: Mapping[str, Any]) -> Window | None:
    """Return the whole seconds of *run* that lie in a part of it; None where there are none."""
    first, end = run
    from_s, to_s = part.get("from_s") or 0.0, part.get("to_s")
    start = first + math.ceil(from_s) + 1 if from_s else first
    end = end if to_s is None else min(end, first + math.floor(to_s))
    return (start, end) if start < end else None


def warm_part(store: Store, run: Window) -> Window:
    """Return the seconds of *run* without its warm-up: what percentiles are taken of; empty where all of it was warm-up."""
    return part_of(run, {"from_s": store.fact("load", "warm_up_s")}) or (run[1], run[1])


def _unseen(objective: Objective) -> Outcome:
    expression = objective.expression
    why = "the run ended before this part of it"
    return Outcome(str(objective), None, None, expression.limit, expression.unit, 0, None, None, why)


class Watch:
    """Watches the objectives whose breach ends the run, second by second."""

    def __init__(self, facts: Sequence[Mapping[str, Any]], store: Store) -> None:
        self._watched = [
            (at, part, Objective.parse(part["text"])) for at, part in enumerate(facts) if part.get("abort")
        ]
        self._store = store
        self._next_s = dict.fromkeys((at for at, _, _ in self._watched), 1)

    def breach(self, run: Window) -> Breach | None:
        """Return what broke by the end of *run*'s last second, or None."""
        for at, part, objective in self._watched:
            window = part_of(run, part)
            if window is None or (part.get("to_s") is not None and window[1] < run[1]):
                continue  # not yet, or over and judged
            outcome = self._outcome(at, objective, window)
            if outcome is not None and _broken(objective.expression, outcome):
                return Breach(at, Judged(outcome, part.get("where") or "").text, outcome.value)
        return None

    def _outcome(self, at: int, objective: Objective, window: Window) -> Outcome | None:
        expression = objective.expression
        start, end = window
        if expression.over_s is not None or expression.for_s is not None:
            # Only the newest stretch: the others were judged when they were.
            newest_s = (expression.over_s or 1) + (expression.for_s or 1) - 1
            return objective.evaluate(self._store, (end - newest_s, end)) if end - start >= newest_s else None
        if end - start < self._next_s[at]:
            return None
        self._next_s[at] = math.ceil((end - start) * _EVERY) if end - start > 1 else 2
        return objective.evaluate(self._store, window)


def _broken(expression: Expression, outcome: Outcome) -> bool:
    """Whether it is broken for good: a window that broke, or a value that chance alone cannot bring back."""
    if outcome.held is not False:
        return False
    if expression.over_s is not None or expression.for_s is not None:
        return True
    if outcome.interval is not None:
        return not any(expression.holds(end) for end in outcome.interval)
    return breaks_for_good(expression)
