"""Turn findings and the growth table into what to do: recommendations in order, and a roadmap of three phases."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from scaleworthy.finding import Finding
from scaleworthy.report.model import GrowthRow, Recommendation, RoadmapPhase
from scaleworthy.units import three_digits

_PRIORITY = {"now": 0, "next": 1, "later": 2}
_LEVEL = {"high": 0, "medium": 1, "low": 2}
_VERDICT = {"fail": 0, "warn": 1, "unknown": 2, "pass": 3}

PHASES = (
    ("Immediately", "10×", "now"),
    ("This quarter", "100×", "next"),
    ("This year", "enterprise", "later"),
)


def in_order(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """Return the findings with what matters first: verdict, priority, impact, then the name, so the order is stable."""
    return tuple(
        sorted(
            findings,
            key=lambda f: (_VERDICT[f.verdict], _PRIORITY[f.priority], _LEVEL[f.impact_level], _LEVEL[f.effort], f.id),
        )
    )


def recommendations(findings: Sequence[Finding], *, measured_gain: Mapping[str, str]) -> tuple[Recommendation, ...]:
    """Return a recommendation for each finding that has a fix.

    Args:
        measured_gain: Finding id → what applying it gained when it was measured again, in words.
    """
    rows = []
    for finding in in_order(findings):
        if finding.fix is None or finding.verdict not in ("fail", "warn"):
            continue
        rows.append(
            Recommendation(
                title=finding.fix.summary,
                why=finding.impact or finding.title,
                impact=finding.impact_level,
                effort=finding.effort,
                priority=finding.priority,
                statements=finding.fix.statements,
                gain=measured_gain.get(finding.id, ""),
                finding_id=finding.id,
            )
        )
    return tuple(rows)


def _servers(row: GrowthRow) -> str:
    """Say how many of each tier; one that was not observed has none, and is not told as needing none."""
    tiers = {"application": row.app_servers, "database": row.database_instances, "cache": row.cache_nodes}
    *first, last = [f"{count} {tier}" for tier, count in tiers.items() if count]
    return f"{', '.join(first)} and {last}" if first else last


def roadmap(advice: Sequence[Recommendation], growth: Sequence[GrowthRow]) -> tuple[RoadmapPhase, ...]:
    """Return the three phases: what to do in each, and what the size that it aims at needs."""
    phases = []
    for name, size, priority in PHASES:
        items = [item.title for item in advice if item.priority == priority]
        row = next((row for row in growth if row.size == size), None)
        goal = size
        if row is not None:
            goal = (
                f"{size}: {row.users:,} users, {three_digits(row.requests_per_s.value or 0)} requests/s at their peak"
            )
            if row.reachable:
                items.append(f"Run {_servers(row)} servers (${three_digits(row.monthly_cost.value or 0)} a month)")
            else:
                items.append(f"Not reachable as built: {row.why}")
        phases.append(RoadmapPhase(name, goal, tuple(items)))
    return tuple(phases)
