"""Make the report of what was measured, found and planned: the last step of an assessment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from scaleworthy.assess.advice import in_order, recommendations, roadmap
from scaleworthy.assess.capacity_view import bottleneck, capacity_rows, growth_rows, prices_named, scaling_note
from scaleworthy.assess.changes import changes, limit_change
from scaleworthy.assess.measure import Measurement
from scaleworthy.assess.rated import score_inputs
from scaleworthy.assess.scores import ScoreInputs, grade, scores
from scaleworthy.assess.subject import Subject
from scaleworthy.assess.time_spent import time_spent, with_time_spent
from scaleworthy.assess.timeline import panels
from scaleworthy.assess.verdict import QUESTION, answer, paragraph
from scaleworthy.capacity import Assumptions, Capacity
from scaleworthy.finding import Finding
from scaleworthy.load.result import Limit
from scaleworthy.report.model import Bottleneck, Mark, Report, Stage
from scaleworthy.series import Store
from scaleworthy.units import three_digits

NOT_AUDITED = (
    "Not audited in this version: API server, LLM, frontend, real-time, caching, monitoring and architecture dimensions; "
    "the database is."
)


@dataclass(frozen=True, slots=True)
class Concluded:
    """Everything an assessment gathered.

    Attributes:
        measurements: In order: as found, then after each remedy; at least one.
        capacities: One per measurement; None where too little was answered.
        cured_by: Finding id → index of the measurement in front of which it was mended.
    """

    subject: Subject
    store: Store
    measurements: tuple[Measurement, ...]
    capacities: tuple[Capacity | None, ...]
    findings: tuple[Finding, ...]
    cured_by: dict[str, int]
    audited: bool
    gaps: tuple[str, ...]
    assumptions: Assumptions
    started_at_s: float
    seconds: float


def report_of(gathered: Concluded) -> Report:
    """Return the report; growth is planned for the service as measured last, the bottleneck is that of as found."""
    first = gathered.measurements[0]
    as_found = gathered.capacities[0]
    planned = next((c for c in reversed(gathered.capacities) if c is not None), None)
    growth = growth_rows(planned) if planned else ()
    limits = _bottleneck(gathered)
    change_rows = tuple(row for later in gathered.measurements[1:] for row in changes(gathered.store, first, later))
    advice = recommendations(gathered.findings, measured_gain=_gains(gathered))
    per_start = gathered.subject.plan.requests_per_start
    unit = "requests/s" if per_start == 1 else f"scenario starts/s (each {three_digits(per_start)} requests)"
    rated = scores(_score_inputs(gathered))
    host = gathered.store.fact("run", "host") or {}
    versions = gathered.store.fact("run", "versions") or {}
    return Report(
        title=f"Will {gathered.subject.name} take 100×?",
        target=gathered.subject.plan.target.url,
        made_at=datetime.fromtimestamp(gathered.started_at_s, UTC).isoformat(timespec="seconds"),
        machine=", ".join(str(value) for value in host.values() if value),
        versions=tuple((str(name), str(value)) for name, value in versions.items()),
        question=QUESTION,
        answer=answer(first.limit, as_found.limit_per_s if as_found else None, growth),
        verdict=paragraph(gathered.subject.name, gathered.measurements, limits, change_rows, growth, unit=unit),
        grade=grade(rated),
        scores=rated,
        objectives=gathered.subject.objectives,
        stages=tuple(Stage(m.name, m.what_changed, m.limit, m.limit.probes) for m in gathered.measurements),
        changes=change_rows,
        capacity=capacity_rows(as_found) if as_found else (),
        bottleneck=limits,
        growth=growth,
        prices=prices_named(planned) if planned else "",
        roadmap=roadmap(advice, growth),
        recommendations=advice,
        findings=in_order(gathered.findings),
        gaps=(*gathered.gaps, NOT_AUDITED),
        panels=panels(gathered.store),
        marks=_marks(gathered),
        notes=_notes(gathered, planned),
        seconds=gathered.seconds,
        seed=gathered.subject.plan.seed,
    )


def _bottleneck(gathered: Concluded) -> Bottleneck | None:
    capacity = gathered.capacities[0]
    found = bottleneck(capacity) if capacity else None
    if capacity is None or found is None:
        return None
    spent = time_spent(gathered.store, gathered.measurements[0].baseline_window)
    known = capacity.limiting is not None and capacity.limiting.explained
    return with_time_spent(found, spent, resource_known=known)


def _score_inputs(gathered: Concluded) -> ScoreInputs:
    """The scores are of the service as found: what a remedy may gain stands beside them, not in them."""
    return score_inputs(
        gathered.store,
        gathered.measurements[0],
        gathered.capacities[0],
        assumptions=gathered.assumptions,
        findings=gathered.findings,
        audited=gathered.audited,
        gaps=len(gathered.gaps),
    )


def _gains(gathered: Concluded) -> dict[str, str]:
    """Finding id → what the measurement after its remedy gained over the one before, in words; nothing where none was shown."""
    gains = {}
    for finding_id, index in gathered.cured_by.items():
        moved = limit_change(gathered.measurements[index - 1], gathered.measurements[index])
        if not moved.better or moved.ratio is None:
            continue
        count = sum(other == index for other in gathered.cured_by.values())
        shared = "" if count == 1 else f", together with {count - 1} other change{'s' if count > 2 else ''}"
        before, after = three_digits(moved.before.value or 0), three_digits(moved.after.value or 0)
        gains[finding_id] = f"limit {before} → {after} {moved.after.unit} (×{three_digits(moved.ratio)}{shared})"
    return gains


def _marks(gathered: Concluded) -> tuple[Mark, ...]:
    span = gathered.store.span()
    start = span[0] if span else 0
    return tuple(Mark(m.name, m.window[0] - start, m.window[1] - start) for m in gathered.measurements)


def _notes(gathered: Concluded, planned: Capacity | None) -> tuple[str, ...]:
    notes: list[str] = []
    if planned is not None:
        if len(gathered.measurements) > 1:
            notes.append(f"Growth is planned for the service as measured last: {gathered.measurements[-1].name}.")
        notes += [*planned.notes, *planned.assumptions, scaling_note(planned)]
    notes += _search_notes([m.limit for m in gathered.measurements])
    return tuple(note for note in dict.fromkeys(notes) if note)


def _search_notes(limits: Sequence[Limit]) -> list[str]:
    notes = ["Response times run from the planned start of each request; p95 and p99 come from merged histograms."]
    if any(not limit.monotonic for limit in limits):
        notes.append("In one search a higher load passed where a lower one had failed: the service's state varied.")
    return notes
