"""Say the verdict: will it take 100×, what limits it, what was gained; one paragraph, every number from the measurements."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from scaleworthy.assess.measure import Measurement
from scaleworthy.load.result import Limit
from scaleworthy.report.model import Bottleneck, Change, GrowthRow
from scaleworthy.units import three_digits

Answer = Literal["yes", "with changes", "no", "unknown"]

QUESTION = "Will it take 100×?"
SIZE_ASKED = "100×"


def answer(first: Limit, held_per_s: float | None, growth: Sequence[GrowthRow]) -> Answer:
    """Return whether the 100× size is within the limit as found, within reach of what the growth table lists, or not.

    Args:
        held_per_s: What was held as found, in requests per second (a limit counts scenario starts).
    """
    row = next((row for row in growth if row.size == SIZE_ASKED), None)
    if row is None or row.requests_per_s.value is None:
        return "unknown"
    if held_per_s is not None and held_per_s >= row.requests_per_s.value:
        return "yes"
    if first.stopped_by in ("generator", "max-level"):
        return "unknown"
    return "with changes" if row.reachable else "no"


def paragraph(
    name: str,
    measurements: Sequence[Measurement],
    bottleneck: Bottleneck | None,
    changes: Sequence[Change],
    growth: Sequence[GrowthRow],
    *,
    unit: str = "requests/s",
) -> str:
    """Return the verdict in four to six sentences; *unit* is what a limit counts."""
    first = measurements[0]
    sentences = [limit_sentence(name, first.limit, unit=unit)]
    if bottleneck is not None:
        sentences.append(f"What limits it is {bottleneck.resource}: {bottleneck.explanation.rstrip('.')}.")
    sentences += [_gain_sentence(first, later, unit) for later in measurements[1:]]
    baseline_change = next((c for c in changes if c.what.startswith("response time p95")), None)
    if baseline_change is not None and baseline_change.ratio and baseline_change.better:
        sentences.append(
            f"At the same load, p95 went from {three_digits(baseline_change.before.value or 0)} ms "
            f"to {three_digits(baseline_change.after.value or 0)} ms."
        )
    if (row := next((row for row in growth if row.size == SIZE_ASKED), None)) is not None:
        sentences.append(_growth_sentence(row))
    return " ".join(sentence for sentence in sentences if sentence)


def limit_sentence(name: str, limit: Limit, *, unit: str = "requests/s") -> str:
    """Return what the service takes within its objectives, with the interval, or why that is not known."""
    objectives = " and ".join(limit.objectives)
    if limit.stopped_by == "never-held":
        lowest = min((probe.level for probe in limit.probes), default=0.0)
        return f"{name} did not hold {objectives} even at {three_digits(lowest)} {unit}."
    if limit.passing is None and limit.estimate is not None:
        return f"{name} takes about {three_digits(limit.estimate)} {unit}{_interval(limit)} within {objectives}."
    if limit.passing is None:
        return f"What {name} takes within {objectives} could not be measured."
    if limit.failing is None:
        why = {"generator": "the load generator was the limit", "time": "the time given was over"}.get(
            limit.stopped_by, "nothing higher was tried"
        )
        return f"{name} held {objectives} up to {three_digits(limit.passing)} {unit}; {why}, so its limit is higher."
    return f"{name} takes {three_digits(limit.estimate or limit.passing)} {unit}{_interval(limit)} within {objectives}."


def _interval(limit: Limit) -> str:
    if limit.interval is None:
        return ""
    return f" (95 % interval {three_digits(limit.interval[0])} to {three_digits(limit.interval[1])})"


def _gain_sentence(first: Measurement, later: Measurement, unit: str) -> str:
    before, after = _level(first.limit), _level(later.limit)
    if before is None or after is None:
        return ""
    return (
        f"With {later.what_changed}, it was measured again: {three_digits(after)} {unit}, "
        f"{three_digits(after / before)} times as much."
    )


def _level(limit: Limit) -> float | None:
    return limit.estimate if limit.estimate is not None else limit.passing


def _growth_sentence(row: GrowthRow) -> str:
    need = f"{row.users:,} users ({three_digits(row.requests_per_s.value or 0)} requests/s at their peak)"
    if not row.reachable:
        return f"{row.size}, {need}, is out of reach as it is built: {row.why.rstrip('.')}."
    parts = [
        (row.app_servers, "application server"),
        (row.database_instances, "database instance"),
        (row.cache_nodes, "cache node"),
    ]
    servers = ", ".join(f"{count} {noun}{'s' if count != 1 else ''}" for count, noun in parts if count)
    return f"{row.size}, {need}, needs {servers}, at about ${three_digits(row.monthly_cost.value or 0)} a month."
