"""A finding: what was concluded, from which evidence, and what to do about it.

Audit checks, broken objectives, capacity, cost and chaos results are all findings; the report lists findings.
Units: times in milliseconds where the name says so; ratios from 0 to 1.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Literal, Self

Verdict = Literal["pass", "warn", "fail", "unknown"]
Dimension = Literal[
    "database", "api", "llm", "frontend", "real-time", "caching", "load-testing", "cost", "monitoring", "architecture"
]
Level = Literal["low", "medium", "high"]
Priority = Literal["now", "next", "later"]


@dataclass(frozen=True, slots=True)
class Evidence:
    """One measured fact: what, its value and unit, from how many samples, within which interval, read from where."""

    text: str
    value: float | None = None
    unit: str = ""
    count: int | None = None
    interval: tuple[float, float] | None = None
    source: str = ""


@dataclass(frozen=True, slots=True)
class Proof:
    """The fix was tried: the same statement (or load) before and after, and where."""

    where: str
    what: str
    before_ms: float
    after_ms: float
    samples: int
    plan_before: str = ""
    plan_after: str = ""

    @property
    def times_faster(self) -> float:
        """How many times less time the statement took afterwards."""
        return self.before_ms / self.after_ms if self.after_ms > 0 else float("inf")


@dataclass(frozen=True, slots=True)
class Fix:
    """What to do: in words, as exact statements where there are some, with the way back and, where tried, the proof."""

    summary: str
    kind: Literal["sql", "setting", "code", "operation"]
    statements: tuple[str, ...] = ()
    rollback: tuple[str, ...] = ()
    proof: Proof | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """One conclusion.

    Attributes:
        id: Unique in a report, such as `database/0002/leads(tenant_id,created_at)`; also the ignore key.
        check: The check that made it, such as `database/0002_missing_index`.
        impact: What it costs the service, in words with a number where one was measured.
        impact_level: How much mending it moves the limit.
        missing: For `unknown`: the evidence that was not there, and how to get it.
    """

    id: str
    check: str
    dimension: Dimension
    verdict: Verdict
    title: str
    detail: str = ""
    evidence: tuple[Evidence, ...] = ()
    impact: str = ""
    impact_level: Level = "low"
    effort: Level = "low"
    priority: Priority = "later"
    fix: Fix | None = None
    missing: str | None = None
    labels: dict[str, str] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for JSON; `from_dict` gives the same finding back."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Self:
        """Return the finding that `to_dict` wrote."""
        fields = dict(data)
        fields["evidence"] = tuple(
            Evidence(**{**item, "interval": tuple(item["interval"]) if item.get("interval") else None})
            for item in data.get("evidence", ())
        )
        if (fix := data.get("fix")) is not None:
            proof = Proof(**fix["proof"]) if fix.get("proof") else None
            fields["fix"] = Fix(
                **{**fix, "statements": tuple(fix["statements"]), "rollback": tuple(fix["rollback"]), "proof": proof}
            )
        return cls(**fields)
