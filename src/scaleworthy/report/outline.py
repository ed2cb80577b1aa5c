"""What every front of a report shows in the same words and order: key figures, groups of findings, a probe's outcome."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from scaleworthy.finding import Dimension, Evidence, Finding, Proof, Verdict
from scaleworthy.load.result import Limit
from scaleworthy.report import numbers
from scaleworthy.report.model import Change, LoadRun, Measured, Report, Stage
from scaleworthy.units import three_digits

ANSWERS = {"yes": "Yes", "with changes": "With changes", "no": "No", "unknown": "Not known"}
VERDICTS: tuple[Verdict, ...] = ("fail", "warn", "unknown", "pass")
DIMENSIONS: dict[Dimension, str] = {
    "database": "Database",
    "api": "API server",
    "llm": "LLM API",
    "frontend": "Frontend",
    "real-time": "Real-time",
    "caching": "Caching",
    "load-testing": "Load testing",
    "cost": "Cost",
    "monitoring": "Monitoring",
    "architecture": "Architecture",
}
SHAPES = {
    "smooth": "response time rises smoothly into the limit",
    "cliff": "response time falls off a cliff at the limit",
    "unknown": "the shape of the limit is not known",
}
STOPPED = {
    "found": "limit found",
    "generator": "the load generator was the limit",
    "max-level": "the highest level allowed still held",
    "time": "the time allowed was over",
    "never-held": "no level held",
    "interrupted": "the search was stopped before its end",
}


@dataclass(frozen=True, slots=True)
class Figure:
    """A key figure: what it is, its value and unit, and what the value rests on."""

    label: str
    value: str
    unit: str = ""
    beside: str = ""


def change_groups(report: Report) -> list[tuple[str, str, list[Change]]]:
    """Return the changes by the stages that they compare, in the order in which they come."""
    groups: dict[tuple[str, str], list[Change]] = {}
    for change in report.changes:
        groups.setdefault((change.from_stage, change.to_stage), []).append(change)
    return [(before, after, rows) for (before, after), rows in groups.items()]


def key_figures(report: Report) -> list[Figure]:
    """Return the numbers that a reader takes away, at most six; what is not known is left out."""
    figures = [_limit(stage) for stage in report.stages[:3]]
    if len(report.stages) > 1 and report.changes and report.changes[0].ratio is not None:
        first = report.changes[0]
        beside = ", ".join(part for part in (first.what, span_times(first.ratio_interval)) if part)
        figures.append(Figure("gain", numbers.times(first.ratio), "", beside))
    if report.bottleneck is not None:
        after = report.bottleneck.next_resource
        figures.append(Figure("limited by", report.bottleneck.resource, "", f"next: {after}" if after else ""))
    asked = next((row for row in report.growth if row.size == "100×"), None)
    if asked is not None and asked.monthly_cost.value is not None:
        need = f"{asked.users:,} users, {numbers.quantity(asked.requests_per_s.value, asked.requests_per_s.unit)}"
        figures.append(_figure("100× costs a month", asked.monthly_cost.value, asked.monthly_cost.unit, need))
    for run in report.load_runs[:1]:
        figures += _of_run(run)
    return figures[:6]


def _figure(label: str, value: float | None, unit: str, beside: str) -> Figure:
    number, _, name = numbers.quantity(value, unit).partition(" ")
    return Figure(label, number, name, beside)


def _limit(stage: Stage) -> Figure:
    limit = stage.limit
    value = limit.estimate if limit.estimate is not None else limit.passing
    unit = "requests/s" if limit.unit == "rate" else limit.unit
    return _figure(
        f"limit {stage.name}", value, unit, numbers.within(limit.interval, unit, value) or STOPPED[limit.stopped_by]
    )


def _of_run(run: LoadRun) -> list[Figure]:
    tail, rate = run.response, run.requests_per_s
    failed = run.failed / run.started if run.started else None
    return [
        _figure("answered", rate.value, rate.unit, f"n = {run.answered:,}"),
        _figure("response time p50", tail.p50_ns, "ns", "from the planned start"),
        _figure("response time p95", tail.p95_ns, "ns", numbers.span(tail.p95_interval_ns, "ns")),
        _figure("response time p99", tail.p99_ns, "ns", numbers.span(tail.p99_interval_ns, "ns")),
        _figure("failed", failed, "ratio", f"{run.failed:,} of {run.started:,} started"),
        Figure("not started", numbers.count(run.not_started), "", f"of {run.planned:,} planned"),
    ]


def span_times(interval: tuple[float, float] | None) -> str:
    """Return the interval of a ratio: `4.05 to 4.76×`."""
    return f"{three_digits(interval[0])} to {three_digits(interval[1])}×" if interval else ""


def outcome(passed: bool | None) -> str:
    """Return the word for a probe or an objective: it held, was broken, or cannot be told."""
    return {True: "held", False: "broken", None: "unsure"}[passed]


def limit_facts(limit: Limit) -> list[tuple[str, str]]:
    """Return what a search found, as pairs of a name and a text."""
    unit = "requests/s" if limit.unit == "rate" else limit.unit
    facts = [
        ("limit", numbers.level(limit.estimate, limit.unit)),
        ("95 % interval", numbers.span(limit.interval, unit)),
        ("highest that held", numbers.level(limit.passing, limit.unit)),
        ("lowest that did not hold", numbers.level(limit.failing, limit.unit)),
        ("held at once, from a tenth", numbers.level(limit.sudden_passing, limit.unit)),
        ("broke at once, from a tenth", numbers.level(limit.sudden_failing, limit.unit)),
        ("decided by", limit.binding),
        ("shape", SHAPES[limit.shape]),
        ("ended", f"{STOPPED[limit.stopped_by]}, {'confirmed by a hold' if limit.confirmed else 'not confirmed'}"),
        ("generator kept up to", numbers.level(limit.generator_max, limit.unit)),
        ("generator headroom", numbers.times(limit.headroom)),
        ("search took", numbers.clock(limit.seconds)),
    ]
    if not limit.monotonic:
        facts.append(("not monotonic", "a higher level held where a lower one did not"))
    return [(name, text) for name, text in facts if text not in ("", numbers.UNKNOWN)]


def findings_by_dimension(findings: Sequence[Finding]) -> list[tuple[str, list[Finding]]]:
    """Return (dimension, findings that need a reader) in the order of the ten dimensions; passed ones are left out."""
    groups = ((title, [f for f in findings if f.dimension == key]) for key, title in DIMENSIONS.items())
    ranked = ((title, sorted(group, key=lambda f: VERDICTS.index(f.verdict))) for title, group in groups)
    return [(title, kept) for title, group in ranked if (kept := [f for f in group if f.verdict != "pass"])]


def passed(findings: Sequence[Finding]) -> list[Finding]:
    """Return the findings that say all is well."""
    return [finding for finding in findings if finding.verdict == "pass"]


def verdict_counts(findings: Sequence[Finding]) -> list[tuple[Verdict, int]]:
    """Return how many findings there are of each verdict, worst first, without zeros."""
    counts = ((verdict, sum(f.verdict == verdict for f in findings)) for verdict in VERDICTS)
    return [(verdict, count) for verdict, count in counts if count]


def evidence_text(item: Evidence) -> str:
    """Return a piece of evidence in one line: text, value, interval, count; its source stands apart."""
    if item.value is None:
        return item.text
    value = Measured(item.value, item.unit, item.interval, item.count)
    return f"{item.text}: {numbers.measured(value)}"


def proof_of(finding_id: str | None, findings: Sequence[Finding]) -> Proof | None:
    """Return the proof of the finding with this id, where its fix was tried."""
    found = next((f for f in findings if f.id == finding_id), None)
    return found.fix.proof if found is not None and found.fix is not None else None


def proof_text(proof: Proof) -> str:
    """Return what trying the fix showed, in one line."""
    before, after = (numbers.quantity(value, "ms") for value in (proof.before_ms, proof.after_ms))
    return f"{before} → {after}, {numbers.times(proof.times_faster)} as fast, n = {proof.samples:,}, {proof.where}"


def method_facts(report: Report) -> list[tuple[str, str]]:
    """Return where, when and with what the report was made."""
    facts = [
        ("target", report.target),
        ("made", report.made_at),
        ("took", numbers.clock(report.seconds) if report.seconds else ""),
        ("machine", report.machine),
        ("versions", ", ".join(f"{name} {version}" for name, version in report.versions)),
        ("objectives", " and ".join(report.objectives)),
        ("seed", "" if report.seed is None else str(report.seed)),
        ("prices", report.prices),
    ]
    return [(name, text) for name, text in facts if text]


CONVENTIONS = (
    (
        "Response time runs from the planned start of a request, service time from the moment it was sent; what was planned "
        "and never sent is counted as not started, beside the percentiles."
    ),
    (
        "An interval is a 95 % interval unless its row says otherwise: of a percentile by order statistics, of a limit from "
        "the search's own probes. n is the number of samples behind a value."
    ),
    "A ratio's interval is the widest that both values allow; where it holds 1, no difference was seen.",
    "Numbers have three significant digits; counts are exact; – is unknown, never zero. Sizes are powers of ten.",
)


def run_facts(run: LoadRun) -> list[tuple[str, str]]:
    """Return what a load run did: what became of each planned request, how fast, and what the generator itself took."""
    cpu = run.generator_cpu_us_per_request
    facts = [
        ("seconds", numbers.clock(run.seconds)),
        ("planned", numbers.count(run.planned)),
        ("started", numbers.count(run.started)),
        ("answered", numbers.count(run.answered)),
        ("failed", numbers.count(run.failed)),
        ("not started", numbers.count(run.not_started)),
        ("rate", numbers.measured(run.requests_per_s)),
        ("lag p99", numbers.nanoseconds(run.lag.p99_ns)),
        ("generator CPU per request", numbers.UNKNOWN if cpu is None else numbers.nanoseconds(cpu * 1e3)),
        ("speed", run.speed),
    ]
    return [(name, text) for name, text in facts if text not in ("", numbers.UNKNOWN)]


def status_facts(run: LoadRun) -> list[tuple[str, str]]:
    """Return how many answers had which status."""
    return [(status, numbers.count(count)) for status, count in run.statuses]
