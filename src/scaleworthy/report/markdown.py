"""A report as Markdown (CommonMark with tables): for a pull request, a wiki, a mail.

Text from outside is escaped: it can neither start markup or HTML nor break out of its table cell or code block.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from scaleworthy.report import numbers, outline
from scaleworthy.report.markdown_findings import findings_section
from scaleworthy.report.markdown_load import load_sections
from scaleworthy.report.markdown_text import block, bullets, inline, table
from scaleworthy.report.model import Change, GrowthRow, Measured, Recommendation, Report, Stage

_GROWTH_HEADS = (
    "Size", "Users", "Peak load", "Data", "Application, database, cache", "Storage", "Cost a month", "Per user a month",
    "Per 1,000 requests", "Reachable",
)  # fmt: skip
_PROBE_HEADS = (
    "Asked for", "Outcome", "Answered", "p50", "p95", "p99", "Samples", "Failed", "Not started", "In flight", "Lag p99",
    "Recovery", "Decided by",
)  # fmt: skip


def render(report: Report) -> str:
    """Return the report as Markdown text; sections without content are left out."""
    parts = [part for section in _sections(report) for part in section]
    return re.sub(r"\n{3,}", "\n\n", "\n\n".join(parts)) + "\n"


def _sections(report: Report) -> Iterator[list[str]]:
    yield _verdict(report)
    yield from load_sections(report)
    if report.bottleneck is not None:
        yield _bottleneck(report)
    if report.changes:
        yield _changes(report)
    if report.recommendations:
        yield [
            "## What to do",
            *(part for i, r in enumerate(report.recommendations, 1) for part in _advice(i, r, report)),
        ]
    if report.growth:
        yield _growth(report)
    if report.roadmap:
        yield [
            "## Roadmap",
            *(part for p in report.roadmap for part in (f"### {inline(p.name)}", inline(p.goal), bullets(p.items))),
        ]
    if report.gaps:
        yield ["## Gaps", bullets(report.gaps)]
    if report.capacity:
        yield _capacity(report)
    if report.stages:
        yield ["## Load tests", *(part for stage in report.stages for part in _stage(stage))]
    if report.findings:
        yield findings_section(report.findings)
    yield _method(report)


def _verdict(report: Report) -> list[str]:
    parts = [
        f"# {inline(report.title)}",
        f"**{inline(report.question)} {outline.ANSWERS[report.answer]}.**",
        inline(report.verdict),
    ]
    figures = outline.key_figures(report)
    if figures:
        rows = [(figure.label, f"{figure.value} {figure.unit}".strip(), figure.beside) for figure in figures]
        parts.append(table(("Figure", "Value", ""), rows))
    if report.scores:
        rows = [
            (score.name, f"{score.value:.1f} of 10", _formula(score.formula, score.terms)) for score in report.scores
        ]
        parts.append(table(("Score", "Value", "Formula"), rows))
    if report.grade:
        parts.append(f"Grade: **{inline(report.grade)}**")
    return parts


def _formula(formula: str, terms: Sequence[tuple[str, str]]) -> str:
    return f"{formula}; " + ", ".join(f"{name}: {value}" for name, value in terms)


def _bottleneck(report: Report) -> list[str]:
    found = report.bottleneck
    if found is None:
        return []
    parts = ["## What limits it", f"**{inline(found.resource)}**: {inline(found.explanation)}", bullets(found.evidence)]
    if found.next_resource:
        parts.append(f"Once that is gone, the next limit is {inline(found.next_resource)}.")
    return parts


def _changes(report: Report) -> list[str]:
    parts = ["## Before and after"]
    for before, after, changes in outline.change_groups(report):
        parts += [f"{inline(before)} → {inline(after)}", _change_table(changes)]
    return parts


def _change_table(changes: Sequence[Change]) -> str:
    seen = {True: "better", False: "worse", None: "no difference shown"}
    rows = [
        (
            change.what,
            numbers.measured(change.before),
            numbers.measured(change.after),
            " ".join(
                part for part in (numbers.times(change.ratio), _in(outline.span_times(change.ratio_interval))) if part
            ),
            seen[change.better],
        )
        for change in changes
    ]
    return table(("Quantity", "Before", "After", "After / before", "Seen"), rows)


def _in(text: str) -> str:
    return f"({text})" if text else ""


def _advice(index: int, item: Recommendation, report: Report) -> list[str]:
    parts = [
        f"### {index}. {inline(item.title)}",
        f"Priority {item.priority}, impact {item.impact}, effort {item.effort}. {inline(item.why)}",
    ]
    if item.gain:
        parts.append(f"Gain: {inline(item.gain)}")
    if item.statements:
        parts.append(block("\n".join(item.statements), "sql"))
    proof = outline.proof_of(item.finding_id, report.findings)
    if proof is not None:
        parts.append(f"Tried: {inline(outline.proof_text(proof))}.")
    return parts


def _growth(report: Report) -> list[str]:
    return [
        "## What growth needs and costs",
        table(_GROWTH_HEADS, [_growth_row(row) for row in report.growth]),
        *([f"Prices: {inline(report.prices)}."] if report.prices else []),
    ]


def _growth_row(row: GrowthRow) -> tuple[str, ...]:
    return (
        row.size,
        numbers.count(row.users),
        numbers.measured(row.requests_per_s),
        numbers.size(row.data_bytes),
        f"{row.app_servers}, {row.database_instances}, {row.cache_nodes}",
        numbers.size(row.storage_bytes),
        numbers.measured(row.monthly_cost),
        numbers.measured(row.cost_per_user),
        numbers.measured(row.cost_per_1000_requests),
        f"{'yes' if row.reachable else 'no'}: {row.why}",
    )


def _capacity(report: Report) -> list[str]:
    rows = [
        (
            row.resource,
            numbers.measured(row.usage),
            numbers.measured(row.limit),
            numbers.share(row.headroom_ratio),
            numbers.measured(row.ceiling),
            row.evidence,
        )
        for row in report.capacity
    ]
    return ["## Current capacity", table(("Resource", "Usage", "Limit", "Headroom", "Ceiling", "Evidence"), rows)]


def _stage(stage: Stage) -> Iterator[str]:
    yield f"### {inline(stage.name)}"
    yield inline(stage.what_changed)
    yield bullets([f"{name}: {text}" for name, text in outline.limit_facts(stage.limit)])
    unit = stage.limit.unit
    rows = [
        (
            numbers.level(probe.level, unit),
            outline.outcome(probe.passed),
            numbers.quantity(probe.requests_per_s, "/s"),
            numbers.nanoseconds(probe.response.p50_ns),
            numbers.measured(Measured(probe.response.p95_ns, "ns", probe.response.p95_interval_ns)),
            numbers.measured(Measured(probe.response.p99_ns, "ns", probe.response.p99_interval_ns)),
            numbers.count(probe.answered),
            numbers.count(probe.failed),
            numbers.count(probe.not_started),
            numbers.quantity(probe.in_flight_mean, ""),
            numbers.nanoseconds(probe.lag_p99_ns),
            "not seen" if probe.recovery_s is None else numbers.quantity(probe.recovery_s, "s"),
            f"{probe.binding}, margin {numbers.share(probe.margin)}"
            + (f"; ended early: {probe.ended_early}" if probe.ended_early else ""),
        )
        for probe in stage.probes
    ]
    if rows:
        yield table(_PROBE_HEADS, rows)


def _method(report: Report) -> list[str]:
    facts = [f"{name}: {text}" for name, text in outline.method_facts(report)]
    return ["## How it was measured", bullets([*facts, *outline.CONVENTIONS, *report.notes])]
