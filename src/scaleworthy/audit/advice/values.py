"""Give a statement's parameters values that the table really holds: its most common ones, and bounds of its histogram.

Several sets, because one value hides skew: the most common, one from the middle, one from the side. The same statistics give
the same values.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from scaleworthy.audit.advice.uses import Binding
from scaleworthy.audit.evidence import Statement

SETS = 3
LIST_LENGTH = 10
_LIMIT_MAX = 1_000
_LOWER, _UPPER = (0.5, 0.8, 0.9), (0.9, 0.9, 0.99)
_EQUAL = (0.5, 0.25, 0.75)
_SPANS = ("7 days", "1 day", "30 days")
# A value for a parameter that no column explains, by the category of its type.
_BY_CATEGORY = {"N": "1", "S": "x", "D": "2026-01-01", "B": "true", "T": "1 day", "A": "{}", "I": "127.0.0.1"}
_BY_TYPE = {"uuid": "00000000-0000-0000-0000-000000000000", "jsonb": "{}", "json": "{}", "bytea": "\\x00"}


@dataclass(frozen=True, slots=True)
class ColumnStatistics:
    """What ANALYZE knows of a column's values, as text: the most common first, and histogram bounds in their order."""

    common: tuple[str, ...] = ()
    bounds: tuple[str, ...] = ()

    def equal(self, which: int) -> str | None:
        """Return a value to compare with: the most common for the first set, others after it."""
        if self.common and (which == 0 or not self.bounds):
            return self.common[(which * len(self.common)) // SETS]
        return _at(self.bounds, _EQUAL[which % SETS])

    def lower(self, which: int) -> str | None:
        """Return a value for `column > …`."""
        return _at(self.bounds or tuple(sorted(self.common)), _LOWER[which % SETS])

    def upper(self, which: int) -> str | None:
        """Return a value for `column < …`; above what `lower` gives for the same set."""
        return _at(self.bounds or tuple(sorted(self.common)), _UPPER[which % SETS])

    def several(self) -> list[str]:
        """Return up to LIST_LENGTH values spread over the column."""
        pool = self.bounds or self.common
        step = max(1, len(pool) // LIST_LENGTH)
        return list(pool[::step][:LIST_LENGTH])


@dataclass(frozen=True, slots=True)
class ParameterType:
    """A parameter's type as PostgreSQL inferred it."""

    name: str
    category: str
    first_label: str | None = None


def value_for(
    binding: Binding | None,
    kind: ParameterType,
    statistics: dict[tuple[str, str], ColumnStatistics],
    statement: Statement,
    which: int,
) -> str | None:
    """Return the text of one parameter for value set *which*, None for NULL."""
    if binding is None:
        # A span back from now, most often: a day, a week, a month.
        return _SPANS[which % SETS] if kind.name == "interval" else _default(kind)
    if binding.meaning == "limit":
        return str(min(_LIMIT_MAX, max(1, math.ceil(statement.rows_per_call))))
    if binding.meaning == "offset":
        return "0"
    if binding.meaning == "field":
        return "day"
    if binding.meaning == "zone":
        return "UTC"
    known = statistics.get((binding.table or "", binding.column or ""), ColumnStatistics())
    value: str | None
    if binding.meaning == "any":
        value = array(known.several())
    elif binding.meaning == "pattern":
        value = f"{(known.equal(which) or '')[:3]}%"
    else:
        value = {"=": known.equal, "<": known.upper, ">": known.lower}[binding.meaning](which)
    return _default(kind) if value is None else value


def array(values: Sequence[str]) -> str:
    """Return an array literal of these values."""
    return "{" + ",".join('"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"' for value in values) + "}"


def _default(kind: ParameterType) -> str | None:
    return kind.first_label or _BY_TYPE.get(kind.name) or _BY_CATEGORY.get(kind.category)


def _at(values: tuple[str, ...], where: float) -> str | None:
    return values[min(len(values) - 1, int(where * len(values)))] if values else None
