"""Make findings that read and sort alike: who found it, where its page is, how urgent it is."""

from __future__ import annotations

from typing import cast

from scaleworthy.finding import Dimension, Evidence, Finding, Fix, Level, Priority, Verdict


def conclude(
    check: str,
    key: str,
    verdict: Verdict,
    title: str,
    *,
    detail: str = "",
    evidence: tuple[Evidence, ...] = (),
    impact: str = "",
    impact_level: Level = "low",
    effort: Level = "low",
    fix: Fix | None = None,
    missing: str | None = None,
    labels: dict[str, str] | None = None,
) -> Finding:
    """Return the finding of *check* about *key* (the object at fault), with its priority and the page that explains it."""
    return Finding(
        id=f"{check.partition('_')[0]}/{key}",
        check=check,
        dimension=cast("Dimension", check.partition("/")[0]),
        verdict=verdict,
        title=title,
        detail=detail,
        evidence=evidence,
        impact=impact,
        impact_level=impact_level,
        effort=effort,
        priority=_priority(verdict, impact_level, effort),
        fix=fix,
        missing=missing,
        labels={"page": check, **(labels or {})},
    )


def level_of_share(share: float) -> Level:
    """How much mending something that takes *share* (0 to 1) of all database time moves the limit."""
    return "high" if share >= 0.2 else "medium" if share >= 0.05 else "low"


def _priority(verdict: Verdict, impact: Level, effort: Level) -> Priority:
    if verdict == "fail" and (impact == "high" or (impact == "medium" and effort == "low")):
        return "now"
    if verdict in ("fail", "warn") and impact != "low":
        return "next"
    return "later"
