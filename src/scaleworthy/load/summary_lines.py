"""A summary for people: counts, response and service time, steps, errors, objectives, and how to read it."""

from __future__ import annotations

from scaleworthy.load.reading import reading
from scaleworthy.load.summary import Summary
from scaleworthy.load.summary_sockets import WebSockets
from scaleworthy.load.summary_streams import Streams
from scaleworthy.load.summary_times import Times
from scaleworthy.series import Objective, Store
from scaleworthy.units import format_ratio, three_digits

_STEPS_SHOWN = 30
_VERDICTS = {"pass": "held", "fail": "did not hold", "generator-limited": "generator-limited, do not quote"}


def summary_text(summary: Summary, store: Store) -> str:
    """Return the lines that `scaleworthy load` ends with."""
    lines = [
        _counts(summary),
        f"response ms   {_times(summary.response_ms)}from the planned start, {_of(summary)}, ±0.1 %",
        f"service ms    {_times(summary.service_ms)}from the send",
    ]
    if len(summary.steps) > 1:
        lines += ["", *_step_table(summary), ""]
    lines += _websocket(summary.websocket)
    lines += _streams(summary.streams)
    if (apdex := summary.apdex) is not None:
        lines.append(
            f"apdex         {apdex.score:.2f} ({apdex.rating}) for {apdex.threshold_ms:g} ms: satisfied {apdex.satisfied:,}"
            f"   tolerated {apdex.tolerated:,}   frustrated {apdex.frustrated:,}"
        )
    lines += _errors(summary, store)
    lines += [_objective(summary, at) for at in range(len(summary.objectives))]
    if (interrupted := store.fact("load", "interrupted")) is not None:
        lines.append(f"the run was {interrupted} before its end")
    elif store.fact("load", "ended_at") is None:
        lines.append("the run did not end: it was killed, or its disk was full; this is what had been recorded")
    if not summary.generator.workers_lost:  # else the reading says it all
        lines += [f"note: {note}" for note in summary.generator.notes]
    lines.append(f"reading: {reading(summary, store)}")
    if summary.objectives or summary.verdict != "pass":
        lines.append(f"verdict: {summary.verdict} ({_VERDICTS[summary.verdict]})")
    return "\n".join(lines)


def _counts(summary: Summary) -> str:
    parts = (("planned", summary.planned), ("answered", summary.answered), ("failed", summary.failed))
    counts = "   ".join(f"{name} {count:,}" for name, count in (*parts, ("not started", summary.not_started)))
    return f"{counts}   {three_digits(summary.requests_per_s)}/s for {three_digits(summary.seconds)} s"


def _of(summary: Summary) -> str:
    if summary.warm_up_s is None:
        return f"of {summary.answered:,} answered"
    return f"of what was answered after the first {summary.warm_up_s:g} s"


def _times(times: Times) -> str:
    parts = (("p50", times.p50), ("p90", times.p90), ("p99", times.p99), ("max", times.max))
    return "".join(f"{name} {three_digits(value) if value is not None else '–':<8}" for name, value in parts)


def _step_table(summary: Summary) -> list[str]:
    width = max(len(name) for name in summary.steps)
    lines = [f"{'step':{width}}  {'answered':>10} {'failed':>8} {'p50 ms':>9} {'p95 ms':>9} {'p99 ms':>9}"]
    for name, step in list(summary.steps.items())[:_STEPS_SHOWN]:
        times = (step.response_ms.p50, step.response_ms.p95, step.response_ms.p99)
        cells = " ".join(f"{three_digits(value) if value is not None else '–':>9}" for value in times)
        lines.append(f"{name:{width}}  {step.answered:>10,} {step.failed:>8,} {cells}")
    if len(summary.steps) > _STEPS_SHOWN:
        lines.append(f"and {len(summary.steps) - _STEPS_SHOWN} more steps (--json has all)")
    return lines


def _websocket(part: WebSockets | None) -> list[str]:
    if part is None:
        return []
    codes = "   ".join(f"{code}: {count:,}" for code, count in part.closes.items())
    messages = f"sent {part.messages_sent:,}   received {part.messages_received:,}"
    lines = [f"websockets    opened {part.opened:,}   {messages}   closed {codes or 'none'}"]
    if part.round_trip_ms.p50 is not None:
        lines.append(f"round trip ms {_times(part.round_trip_ms)}from a send to the message that answers it")
    if part.ping_ms.p50 is not None:
        lines.append(f"ping ms       {_times(part.ping_ms)}from a ping to its pong")
    return lines


def _streams(part: Streams | None) -> list[str]:
    if part is None:
        return []
    rows = [("first event", part.first_ms, "from the send"), ("event gap", part.gap_ms, "from each event to the next")]
    if part.age_ms.p50 is not None:
        rows.append(("event age", part.age_ms, "from the time that an event says it was sent"))
    lines = [f"events        {part.events:,}"]
    model = part.llm
    if model is not None:
        rows = [
            ("TTFT", model.ttft_ms, "from the send to the first content"),
            ("TPOT", model.tpot_ms, "per output token after the first"),
            ("ITL", model.itl_ms, "from each event with content to the next"),
        ]
        tokens = "   ".join(f"{direction} {count:,}" for direction, count in model.tokens.items())
        lines = [f"tokens        {tokens or 'none told'}   {three_digits(model.output_tokens_per_s)}/s written"]
        if model.good is not None:
            lines.append(f"good answers  {model.good:,}   {three_digits(model.good_per_s or 0.0)}/s")
    return lines + [f"{f'{name} ms':13} {_times(times)}{what}" for name, times, what in rows if times.p50 is not None]


def _errors(summary: Summary, store: Store) -> list[str]:
    lines = []
    if any(not status.startswith("2") for status in summary.statuses):
        lines.append(
            "statuses      " + "   ".join(f"{status}: {count:,}" for status, count in summary.statuses.items())
        )
    examples = store.fact("load", "error_examples") or {}
    for kind, count in sorted(summary.errors.items(), key=lambda item: -item[1]):
        example = examples.get(kind)
        lines.append(f"error         {kind} {count:,}{f', such as: {example}' if example else ''}")
    return lines


def _objective(summary: Summary, at: int) -> str:
    result = summary.objectives[at]
    word = {True: "held", False: "broken", None: "not judged, too few samples"}[result.held]
    value = f" (got {with_unit(result.value, result.text)})" if result.value is not None else ""
    where = f" in {result.where}" if result.where else ""
    return f"objective     {word}: {result.text}{where}{value}"


def with_unit(value: float, objective: str) -> str:
    """Return an objective's value for people; a summary holds times in ms and ratios from 0 to 1."""
    unit = Objective.parse(objective).expression.unit
    return (
        format_ratio(value) if unit == "ratio" else f"{three_digits(value)} ms" if unit == "ns" else three_digits(value)
    )
