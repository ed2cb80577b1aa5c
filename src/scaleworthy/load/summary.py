"""The summary of a run: stable JSON, computed from a store alone, so that a killed run's recording gives one too.

docs/reference/summary.md says what each field means; a test holds the two together.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from scaleworthy.load.generator import Generator, judge_generator
from scaleworthy.load.judging import judge, warm_part
from scaleworthy.load.summary_apdex import Apdex, apdex_of
from scaleworthy.load.summary_sockets import WebSockets, websockets_of
from scaleworthy.load.summary_streams import Streams, streams_of
from scaleworthy.load.summary_times import Times, times_of
from scaleworthy.series import Outcome, Store

SCHEMA = 1
Window = tuple[int, int]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Counts(_Part):
    """How many requests, and how long they took."""

    planned: int
    started: int
    answered: int
    failed: int
    not_started: int
    requests_per_s: float
    response_ms: Times
    service_ms: Times
    lag_ms: Times


class Step(Counts):
    """The same for one step."""

    statuses: dict[str, int]
    errors: dict[str, int]


class ObjectiveResult(_Part):
    """One objective; `held` is null where there were too few samples to judge, `value` is in ms, a ratio, or its series' unit.

    `where` says which part of the run it is about, such as `stage 2`; empty for all of it.
    """

    text: str
    where: str = ""
    held: bool | None
    value: float | None


class Summary(Counts):
    """A whole run."""

    schema_: int = SCHEMA
    verdict: Literal["pass", "fail", "generator-limited"]
    speed: Literal["declarative", "python"]
    seconds: float
    steps: dict[str, Step]
    statuses: dict[str, int]
    errors: dict[str, int]
    objectives: list[ObjectiveResult]
    generator: Generator
    websocket: WebSockets | None = None
    streams: Streams | None = None
    apdex: Apdex | None = None
    warm_up_s: float | None = None

    @property
    def exit_status(self) -> int:
        """What the command ends with: 0 held, 1 an objective failed or nothing was answered, 3 generator-limited."""
        return {"pass": 0, "fail": 1, "generator-limited": 3}[self.verdict]

    def _repr_html_(self) -> str:
        """Return a small table, as notebooks show it."""
        from scaleworthy.load.notebook import summary_html

        return summary_html(self)

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for JSON, fields in the documented order."""
        data = self.model_dump()
        data["schema"] = data.pop("schema_")
        return {name: data[name] for name in FIELDS} | {
            name: data[name] for name in OPTIONAL_FIELDS if data[name] is not None
        }


FIELDS = (
    "schema", "verdict", "speed", "seconds", "planned", "started", "answered", "failed", "not_started", "requests_per_s",
    "response_ms", "service_ms", "lag_ms", "steps", "statuses", "errors", "objectives", "generator",
)  # fmt: skip
OPTIONAL_FIELDS = ("websocket", "streams", "apdex", "warm_up_s")
"""Parts that are there where the run has something to say in them."""


def summarize(store: Store) -> Summary:
    """Return the summary of the load run in *store*: the last one, where there were several."""
    facts = store.facts("load")
    window = _window(store, facts)
    seconds = _seconds(window, facts)
    judged = judge(store, window)
    outcomes = [item.outcome for item in judged]
    warm = warm_part(store, window)
    counts = _counts(store, window, seconds, {}, warm=warm)
    steps = {
        label: Step(
            **_counts(store, window, seconds, {"step": label}, warm=warm),
            statuses=_by(store, "load.statuses", "status", window, {"step": label}),
            errors=_by(store, "load.errors", "kind", window, {"step": label}),
        )
        for label in _labels(store, window)
    }
    generator = judge_generator(
        store, window, connections_max=facts.get("connections_max"), threads=facts.get("threads") or 1
    ).with_processes(facts.get("workers") or (), facts.get("notes") or ())
    return Summary(
        **counts,
        verdict=_verdict(outcomes, answered=counts["answered"], generator=generator),
        speed=facts.get("speed") or "declarative",
        seconds=round(seconds, 3),
        steps=steps,
        statuses=_by(store, "load.statuses", "status", window, {}),
        errors=_by(store, "load.errors", "kind", window, {}),
        objectives=[
            ObjectiveResult(text=of.outcome.text, where=of.where, held=of.outcome.held, value=_value(of.outcome))
            for of in judged
        ],
        generator=generator,
        websocket=websockets_of(store, window),
        streams=streams_of(store, window, seconds),
        apdex=apdex_of(store, window, started=counts["started"]),
        warm_up_s=facts.get("warm_up_s") or None,
    )


def run_window(store: Store) -> Window:
    """Return the seconds of the last load run in *store*."""
    return _window(store, store.facts("load"))


def _window(store: Store, facts: Mapping[str, Any]) -> Window:
    if facts.get("window"):
        first, end = facts["window"]
        return int(first), int(end)
    spans = [span for name in ("load.planned", "load.answered", "load.in_flight") if (span := store.span(name))]
    span = (min(span[0] for span in spans), max(span[1] for span in spans)) if spans else (0, 0)
    first = int(facts["started_at"]) if facts.get("started_at") else span[0]
    return max(min(first, span[1]), span[0]), span[1]


def _seconds(window: Window, facts: Mapping[str, Any]) -> float:
    """How long the run took; for one that was killed, the seconds that were kept."""
    if facts.get("ended_at") and facts.get("started_at"):
        return max(float(facts["ended_at"]) - float(facts["started_at"]), 1e-3)
    return float(max(window[1] - window[0], 0))


def _counts(store: Store, window: Window, seconds: float, labels: dict[str, str], *, warm: Window) -> dict[str, Any]:
    """Return counts of the whole run, and times of its *warm* part."""
    totals = {
        name: round(store.total(f"load.{name}", labels=labels, window=window))
        for name in ("planned", "started", "answered", "failed", "not_started")
    }
    times = {
        field: times_of(store.histogram(f"load.{name}", labels=labels, window=warm))
        for field, name in (("response_ms", "response_time"), ("service_ms", "service_time"), ("lag_ms", "lag"))
    }
    return {**totals, "requests_per_s": round(totals["answered"] / seconds, 3) if seconds else 0.0, **times}


def _by(store: Store, name: str, label: str, window: Window, labels: dict[str, str]) -> dict[str, int]:
    totals = store.by_label(name, label, labels=labels, window=window)
    return {value: round(total) for value, total in sorted(totals.items()) if total}


def _labels(store: Store, window: Window) -> list[str]:
    """Return the steps: what was planned, and what failed without a request (a Python scenario that raised)."""
    planned, failed = (_by(store, name, "step", window, {}) for name in ("load.planned", "load.failed"))
    return sorted(planned | failed)


def _value(outcome: Outcome) -> float | None:
    if outcome.value is None:
        return None
    return round(outcome.value / 1e6, 6) if outcome.unit == "ns" else round(outcome.value, 9)


def _verdict(
    outcomes: list[Outcome], *, answered: int, generator: Generator
) -> Literal["pass", "fail", "generator-limited"]:
    if not answered:
        return "fail"
    judged = bool(outcomes) and all(outcome.held for outcome in outcomes)
    # Response time runs from the plan, so a late generator only lengthens it: what held all the same would hold without.
    if generator.limited and not (judged and not generator.workers_lost):
        return "generator-limited"
    # An objective with too few samples to judge has not been shown to hold.
    return "pass" if all(outcome.held for outcome in outcomes) else "fail"
