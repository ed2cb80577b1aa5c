"""What an objective says, as plain data, and its canonical spelling."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from scaleworthy.series.model import labels_text
from scaleworthy.series.objectives import quantity

Operator = Literal["<", "<=", ">", ">="]

FUNCTIONS = ("mean", "max", "min", "count", "rate", "total", "ratio")
"""Beside `p50` … `p999`, any `pNN`."""

TIMED = "load.response_time"
"""What `p95`, `mean`, `max` and `min` are of, where nothing else is said."""

SHORT_RATIOS = {"failed": ("load.failed", "load.started"), "not_started": ("load.not_started", "load.planned")}
SHORT_RATE = "load.answered"


@dataclass(frozen=True, slots=True)
class Selector:
    """Series by name, and by the labels they must have (sorted)."""

    name: str
    labels: tuple[tuple[str, str], ...] = ()

    def __str__(self) -> str:
        return self.name + labels_text(self.labels)


@dataclass(frozen=True, slots=True)
class Expression:
    """`FUNCTION(SERIES) OPERATOR LIMIT [over OVER] [for FOR]`.

    Attributes:
        function: `p95` and its like (`p05`, `p999`: at least two digits), or one of FUNCTIONS.
        series: One selector; two for `ratio`.
        limit: In *unit*: `ns`, `s`, `ratio`, `bytes`, or that of the series, with `/s` for a rate.
        over_s: Width of the sliding window in seconds; None for the whole run.
        for_s: How many seconds it must be broken without a break to count; None for once.
    """

    function: str
    series: tuple[Selector, ...]
    operator: Operator
    limit: float
    unit: str
    over_s: int | None = None
    for_s: int | None = None

    @property
    def q(self) -> float | None:
        """The quantile's share: 0.95 for `p95`, 0.999 for `p999`; None for other functions."""
        digits = self.function.removeprefix("p")
        return float(f"0.{digits}") if self.function.startswith("p") and digits.isdigit() else None

    @property
    def wants_less(self) -> bool:
        """Is a smaller value better?"""
        return self.operator in ("<", "<=")

    def holds(self, value: float) -> bool:
        """Is *value* within the limit?"""
        match self.operator:
            case "<":
                return value < self.limit
            case "<=":
                return value <= self.limit
            case ">":
                return value > self.limit
            case ">=":
                return value >= self.limit

    def __str__(self) -> str:
        text = f"{self._left()} {self.operator} {quantity.write(self.limit, self.unit)}"
        if self.over_s is not None:
            text += f" over {self.over_s}s"
        if self.for_s is not None:
            text += f" for {self.for_s}s"
        return text

    def _left(self) -> str:
        """Return the shortest spelling of what is measured."""
        first = self.series[0]
        labels = labels_text(first.labels)
        if self.function == "ratio":
            second = self.series[1]
            for short, names in SHORT_RATIOS.items():
                if (first.name, second.name) == names and first.labels == second.labels:
                    return short + labels
            return f"ratio({first}, {second})"
        if self.function == "rate" and first.name == SHORT_RATE:
            return "rate" + labels
        if first.name == TIMED and (self.q is not None or self.function in ("mean", "max", "min")):
            return self.function + labels
        return f"{self.function}({first})"


def percentile_name(digits: str) -> str:
    """Return `p` and *digits* (two are percent, more go on behind them) without zeros that say nothing: `p05`, `p50`, `p999`."""
    return f"p{digits[:2]}{digits[2:].rstrip('0')}"
