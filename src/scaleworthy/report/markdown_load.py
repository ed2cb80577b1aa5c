"""The load runs of a report as Markdown sections."""

from __future__ import annotations

from collections.abc import Iterator

from scaleworthy.load.result import Quantiles
from scaleworthy.report import numbers, outline
from scaleworthy.report.markdown_text import bullets, inline, table
from scaleworthy.report.model import LoadRun, Measured, Report

_HEADS = ("What", "Answered", "Failed", "Not started", "p50", "p90", "p95", "p99", "p99.9", "max", "mean")


def load_sections(report: Report) -> Iterator[list[str]]:
    """Yield one section for each load run."""
    for run in report.load_runs:
        yield [f"## Load run {inline(run.name)}: {inline(run.shape)}", *_run(run)]


def _run(run: LoadRun) -> Iterator[str]:
    if run.generator_limited:
        yield "**Do not quote:** the load generator itself was the limit; these numbers describe it, not the target."
    yield bullets([f"{name}: {text}" for name, text in outline.run_facts(run)])
    if run.objectives:
        judged = [
            (
                o.text,
                outline.outcome(o.held),
                numbers.measured(o.measured),
                numbers.measured(o.limit),
                numbers.share(o.margin),
            )
            for o in run.objectives
        ]
        yield table(("Objective", "Outcome", "Measured", "Limit", "Margin"), judged)
    counts = (numbers.count(run.answered), numbers.count(run.failed), numbers.count(run.not_started))
    rows = [
        _row("response time", counts, run.response),
        _row("service time", counts, run.service),
        _row("lag", ("", "", ""), run.lag),
    ]
    for step in run.steps:
        of_step = (numbers.count(step.answered), numbers.count(step.failed), numbers.count(step.not_started))
        rows += [
            _row(f"{step.name}, response", of_step, step.response),
            _row(f"{step.name}, service", of_step, step.service),
        ]
    yield table(_HEADS, rows)
    if run.statuses:
        yield table(("Status", "Answers"), outline.status_facts(run))
    if run.errors:
        yield table(
            ("Error", "Count", "Such as"), [(kind, numbers.count(n), example) for kind, n, example in run.errors]
        )


def _row(name: str, counts: tuple[str, str, str], q: Quantiles) -> tuple[str, ...]:
    return (
        name,
        *counts,
        numbers.nanoseconds(q.p50_ns),
        numbers.nanoseconds(q.p90_ns),
        numbers.measured(Measured(q.p95_ns, "ns", q.p95_interval_ns)),
        numbers.measured(Measured(q.p99_ns, "ns", q.p99_interval_ns)),
        numbers.nanoseconds(q.p999_ns),
        numbers.nanoseconds(q.max_ns),
        numbers.nanoseconds(q.mean_ns),
    )
