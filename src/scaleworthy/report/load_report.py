"""A report of one load run, from its recording alone: also of a run that was killed, of what it had kept.

Question: did it hold its objectives (without any: did every request succeed), and what do the numbers mean?
Not here: the summary's JSON (load/summary.py) and its text for a terminal (load/summary_lines.py).
"""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from scaleworthy.errors import RecordingError
from scaleworthy.load.judging import judge, warm_part
from scaleworthy.load.reading import reading
from scaleworthy.load.result import quantiles_of
from scaleworthy.load.summary import Summary, run_window, summarize
from scaleworthy.report import numbers
from scaleworthy.report.load_panels import load_panels
from scaleworthy.report.model import LoadRun, LoadStep, Mark, Measured, ObjectiveResult, Report
from scaleworthy.series import Histogram, Outcome, Store
from scaleworthy.units import format_bytes

_CURVE_LEAST = 10  # samples beyond a point of the percentile curve, fewer would draw single requests as a tail
_CURVE_STEPS = 8  # points for each factor of ten in rarity

Window = tuple[int, int]


def report_of(store: Store, *, name: str = "load run") -> Report:
    """Return the report of the last load run in *store*.

    Args:
        name: What to call the run, such as the recording's file name.

    Raises:
        RecordingError: There is no load run in it.
    """
    if not store.keys("load.planned"):
        raise RecordingError(
            f"{name} holds no load run: the series load.planned is not in it",
            hint="record one with: scaleworthy load TARGET --out run.sw",
        )
    facts, summary, window = store.facts("load"), summarize(store), run_window(store)
    outcomes = [replace(judged.outcome, text=judged.text) for judged in judge(store, window)]
    started_at = facts.get("started_at") or window[0]
    return Report(
        title=name,
        target=str(facts.get("target") or ""),
        made_at=datetime.fromtimestamp(started_at, UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        machine=_machine(store.fact("run", "host") or {}),
        versions=tuple((key, str(value)) for key, value in (store.fact("run", "versions") or {}).items()),
        question="Did it hold its objectives?" if outcomes else "Did every request succeed?",
        answer=_answer(summary, outcomes),
        verdict=_verdict(store, summary, outcomes),
        grade="",
        scores=(),
        objectives=tuple(outcome.text for outcome in outcomes),
        stages=(),
        changes=(),
        capacity=(),
        bottleneck=None,
        growth=(),
        prices="",
        roadmap=(),
        recommendations=(),
        findings=tuple(store.findings()),
        gaps=(),
        panels=load_panels(store, window),
        marks=_marks(store, window),
        notes=_notes(facts, outcomes),
        seconds=summary.seconds,
        seed=facts.get("seed"),
        load_runs=(_run(store, name, summary, window, outcomes),),
    )


def _run(store: Store, name: str, summary: Summary, window: Window, outcomes: list[Outcome]) -> LoadRun:
    facts = store.facts("load")
    warm = warm_part(store, window)
    response, service = (store.histogram(f"load.{kind}_time", window=warm) for kind in ("response", "service"))
    examples = facts.get("error_examples") or {}
    return LoadRun(
        name=name,
        shape=str(facts.get("shape") or "load"),
        speed=summary.speed,
        seconds=summary.seconds,
        planned=summary.planned,
        started=summary.started,
        answered=summary.answered,
        failed=summary.failed,
        not_started=summary.not_started,
        requests_per_s=Measured(summary.requests_per_s, "requests/s", None, summary.answered, "load.answered"),
        response=quantiles_of(response),
        service=quantiles_of(service),
        lag=quantiles_of(store.histogram("load.lag", window=warm)),
        response_curve=_curve(response),
        service_curve=_curve(service),
        steps=tuple(_step(store, name, warm, summary) for name in summary.steps),
        statuses=tuple(summary.statuses.items()),
        errors=tuple((kind, count, str(examples.get(kind, ""))) for kind, count in summary.errors.items()),
        objectives=tuple(_judged(outcome) for outcome in outcomes),
        generator_cpu_us_per_request=summary.generator.cpu_us_per_request,
        generator_limited=summary.generator.limited,
    )


def _step(store: Store, name: str, window: Window, summary: Summary) -> LoadStep:
    step, labels = summary.steps[name], {"step": name}
    return LoadStep(
        name=name,
        planned=step.planned,
        started=step.started,
        answered=step.answered,
        failed=step.failed,
        not_started=step.not_started,
        response=quantiles_of(store.histogram("load.response_time", labels=labels, window=window)),
        service=quantiles_of(store.histogram("load.service_time", labels=labels, window=window)),
    )


def _judged(outcome: Outcome) -> ObjectiveResult:
    measured = Measured(outcome.value, outcome.unit, outcome.interval, outcome.count)
    return ObjectiveResult(outcome.text, outcome.held, measured, Measured(outcome.limit, outcome.unit), outcome.margin)


def _curve(histogram: Histogram) -> tuple[tuple[float, float], ...]:
    """Return (quantile, ns) from the median's half into the tail, as far as enough samples lie beyond the point."""
    if histogram.count < 2 * _CURVE_LEAST:
        return ()
    steps = int(math.log10(histogram.count / _CURVE_LEAST) * _CURVE_STEPS)
    quantiles = [1 - 10 ** (-step / _CURVE_STEPS) for step in range(steps + 1)]
    return tuple((q, value) for q in quantiles if (value := histogram.quantile(q)) is not None)


def _answer(summary: Summary, outcomes: list[Outcome]) -> Any:
    if summary.generator.limited:
        return "unknown"
    if summary.answered == 0 or any(outcome.held is False for outcome in outcomes):
        return "no"
    if any(outcome.held is None for outcome in outcomes):
        return "unknown"
    if not outcomes and (summary.failed or summary.not_started):
        return "no"
    return "yes"


def _verdict(store: Store, summary: Summary, outcomes: list[Outcome]) -> str:
    """Say what was answered, which objectives broke, and the reading; every number is the summary's own."""
    facts = store.facts("load")
    sentences = [
        (
            f"{facts.get('shape') or 'The load'}: {summary.answered:,} of {summary.planned:,} planned requests were answered "
            f"({numbers.quantity(summary.requests_per_s, 'requests/s')}), {summary.failed:,} failed, "
            f"{summary.not_started:,} never started."
        )
    ]
    broken = [
        f"{outcome.text} ({numbers.quantity(outcome.value, outcome.unit)})"
        for outcome in outcomes
        if outcome.held is False
    ]
    unsure = [f"{outcome.text} ({outcome.why or 'too few samples'})" for outcome in outcomes if outcome.held is None]
    if broken:
        sentences.append(f"Not held: {', '.join(broken)}.")
    if unsure:
        sentences.append(f"Not known: {', '.join(unsure)}.")
    said = reading(summary, store)
    sentences.append(said[:1].upper() + said[1:])
    if facts.get("interrupted"):
        sentences.append(f"The run was {facts['interrupted']} before its end.")
    elif facts.get("ended_at") is None:
        sentences.append("The run did not end: it was killed, or its disk was full; this is what had been recorded.")
    return " ".join(sentences)


def _machine(host: dict[str, Any]) -> str:
    parts = [
        f"{host['cores']} cores of {host.get('cpu', 'an unknown CPU')}" if host.get("cores") else "",
        format_bytes(host["memory_bytes"]) if host.get("memory_bytes") else "",
        " ".join(str(host[key]) for key in ("system", "kernel") if host.get(key)),
    ]
    return ", ".join(part for part in parts if part) or "not recorded"


def _marks(store: Store, window: Window) -> tuple[Mark, ...]:
    events = (event for event in store.events() if window[0] <= event.at_s <= window[1])
    return tuple(Mark(event.text, event.at_s - window[0]) for event in events)


def _notes(facts: dict[str, Any], outcomes: list[Outcome]) -> tuple[str, ...]:
    notes = [f"{outcome.text}: {outcome.why}" for outcome in outcomes if outcome.why]
    limit = facts.get("connections_max")
    notes.append(f"At most {limit:,} connections were open at once." if limit else "Connections were not limited.")
    return tuple(notes)
