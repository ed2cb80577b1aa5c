"""What was measured: a name, labels, a unit, and a value for each second.

A **slice** is one series' value for one second: a mergeable histogram, a counter's increment within that second, or a
gauge's value at its end. Seconds are Unix time. Everything Scaleworthy measures is series: docs/reference/series.md
lists the names.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from scaleworthy._native import Histogram

Kind = Literal["histogram", "counter", "gauge"]
Value = Histogram | float


@dataclass(frozen=True, slots=True)
class SeriesKey:
    """Which series: its name, its labels (sorted by name), its unit and its kind.

    Units: `ns`, `bytes`, `ratio`, `s`, or a plural noun such as `requests`. Histograms hold integer nanoseconds.
    """

    name: str
    labels: tuple[tuple[str, str], ...]
    unit: str
    kind: Kind

    @classmethod
    def of(cls, name: str, kind: Kind, unit: str, labels: Mapping[str, str] | None = None) -> SeriesKey:
        """Return the key, with its labels in order."""
        return cls(name, tuple(sorted((labels or {}).items())), unit, kind)

    def __str__(self) -> str:
        return self.name + labels_text(self.labels)


Slice = tuple[SeriesKey, Value]
"""One series' value for the second that the surrounding call names."""


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened at a moment (Unix seconds): a probe started, a fix was applied, a source failed."""

    at_s: float
    kind: str
    text: str
    data: dict[str, Any] = field(default_factory=dict)


def labels_text(labels: tuple[tuple[str, str], ...]) -> str:
    r"""Return labels as an objective spells them: `{step="login"}`, with `\"` and `\\` inside a value; nothing for none."""
    if not labels:
        return ""
    quoted = (f'{name}="{value.translate(_ESCAPES)}"' for name, value in labels)
    return "{" + ",".join(quoted) + "}"


_ESCAPES = str.maketrans({"\\": "\\\\", '"': '\\"'})
