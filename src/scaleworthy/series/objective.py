"""What should hold: a small expression over series, `p95(load.response_time{step="login"}) < 500ms over 10s for 30s`.

Load thresholds, the limit that find-limit looks for, and what assess judges by are all objectives: one language, one
evaluator. The language stands in docs/reference/objectives.md.
"""

from __future__ import annotations

from dataclasses import dataclass

from scaleworthy.series.objectives.evaluate import evaluate
from scaleworthy.series.objectives.expression import Expression
from scaleworthy.series.objectives.outcome import Outcome
from scaleworthy.series.objectives.parser import parse
from scaleworthy.series.store import Store, Window

__all__ = ["Objective", "Outcome"]


@dataclass(frozen=True, slots=True)
class Objective:
    """Something that should hold. Equal objectives have equal texts; `str` gives the shortest spelling."""

    expression: Expression

    @classmethod
    def parse(cls, text: str) -> Objective:
        """Return the objective that *text* spells; short forms such as `p95 < 500ms` and `failed < 1%` are among them.

        Raises:
            InvalidInput: It spells none; the message points at the column and names what was wanted.
        """
        return cls(parse(text))

    def evaluate(self, store: Store, window: Window | None = None) -> Outcome:
        """Return whether it held in *window* (first second, second after the last); None for all that was measured."""
        return evaluate(self.expression, store, window)

    def __str__(self) -> str:
        return str(self.expression)
