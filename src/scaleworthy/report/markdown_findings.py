"""The findings of a report as Markdown: each with its evidence, its fix and the proof of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from scaleworthy.finding import Finding, Proof
from scaleworthy.report import outline
from scaleworthy.report.markdown_text import block, bullets, inline


def findings_section(findings: Sequence[Finding]) -> list[str]:
    """Return the section: what needs a reader by dimension, then what passed."""
    counts = ", ".join(f"{count} {verdict}" for verdict, count in outline.verdict_counts(findings))
    parts = ["## Findings", f"{counts}."]
    for dimension, group in outline.findings_by_dimension(findings):
        parts.append(f"### {dimension}")
        parts += [part for finding in group for part in _finding(finding)]
    passed = outline.passed(findings)
    if passed:
        parts += ["### Checks that found nothing to mend", bullets([f"{f.title} ({f.check})" for f in passed])]
    return parts


def _finding(finding: Finding) -> Iterator[str]:
    yield f"#### {finding.verdict}: {inline(finding.title)}"
    for text in (
        finding.detail,
        finding.impact and f"Impact: {finding.impact}",
        finding.missing and f"Missing: {finding.missing}",
    ):
        if text:
            yield inline(text)
    if finding.evidence:
        yield bullets([outline.evidence_text(e) + (f" [{e.source}]" if e.source else "") for e in finding.evidence])
    if finding.fix is not None:
        yield f"Fix: {inline(finding.fix.summary)}"
        if finding.fix.statements:
            yield block("\n".join(finding.fix.statements), "sql")
        if finding.fix.rollback:
            yield "The way back:"
            yield block("\n".join(finding.fix.rollback), "sql")
        if finding.fix.proof is not None:
            yield from _proof(finding.fix.proof)
    yield inline(
        f"impact {finding.impact_level}, effort {finding.effort}, priority {finding.priority}; ignore key: {finding.id}"
    )


def _proof(proof: Proof) -> Iterator[str]:
    yield f"Tried: {inline(outline.proof_text(proof))}."
    yield block(proof.what, "sql")
    for name, plan in (("before", proof.plan_before), ("after", proof.plan_after)):
        if plan:
            yield f"Plan {name}:"
            yield block(plan)
