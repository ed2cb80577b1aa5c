"""What a report says: plain data, made by assess/ (or by one command), shown by html, markdown and json.

Nothing here measures or concludes; every number arrives with its evidence. Units are in the names or beside the value.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from scaleworthy.finding import Finding, Level, Priority
from scaleworthy.load.result import Limit, Probe, Quantiles


@dataclass(frozen=True, slots=True)
class Measured:
    """A number as a reader may quote it: value, unit, sample count, interval, and where it comes from."""

    value: float | None
    unit: str
    interval: tuple[float, float] | None = None
    count: int | None = None
    source: str = ""


@dataclass(frozen=True, slots=True)
class Score:
    """One of the three scores, 1 to 10, with the formula in words and each term's value."""

    name: str
    value: float
    formula: str
    terms: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Stage:
    """One measured state of the service: as found, after the fixes, and so on."""

    name: str
    what_changed: str
    limit: Limit
    probes: tuple[Probe, ...]


@dataclass(frozen=True, slots=True)
class Change:
    """The same quantity before and after, with the ratio and its interval."""

    what: str
    before: Measured
    after: Measured
    ratio: float | None
    ratio_interval: tuple[float, float] | None
    better: bool | None
    from_stage: str = "before"
    to_stage: str = "after"


@dataclass(frozen=True, slots=True)
class CapacityRow:
    """How much of one resource is used at the limit, and how far it would carry."""

    resource: str
    usage: Measured
    limit: Measured
    headroom_ratio: float | None
    ceiling: Measured
    evidence: str


@dataclass(frozen=True, slots=True)
class Bottleneck:
    """What limits the service now, how we know, and what would be next."""

    resource: str
    explanation: str
    evidence: tuple[str, ...]
    next_resource: str | None


@dataclass(frozen=True, slots=True)
class GrowthRow:
    """What one growth size needs and costs; *machines* names the sizes of server that the cost is made of."""

    size: str
    users: int
    requests_per_s: Measured
    data_bytes: int
    app_servers: int
    database_instances: int
    cache_nodes: int
    storage_bytes: int
    monthly_cost: Measured
    cost_per_user: Measured
    cost_per_1000_requests: Measured
    reachable: bool
    why: str
    machines: str = ""


@dataclass(frozen=True, slots=True)
class RoadmapPhase:
    """Immediate (10×), this quarter (100×), this year (enterprise)."""

    name: str
    goal: str
    items: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Recommendation:
    """What to do, in order of what it moves."""

    title: str
    why: str
    impact: Level
    effort: Level
    priority: Priority
    statements: tuple[str, ...] = ()
    gain: str = ""
    finding_id: str | None = None


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a timeline: seconds from the start of the recording, and values."""

    name: str
    unit: str
    at_s: tuple[float, ...]
    values: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Mark:
    """A moment or a stretch on the timeline."""

    name: str
    start_s: float
    end_s: float | None = None


@dataclass(frozen=True, slots=True)
class Panel:
    """One chart of the timeline: lines that share an axis."""

    title: str
    lines: tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class LoadStep:
    """One step of a load run: what was planned of it, what came of it, how long it took."""

    name: str
    planned: int
    started: int
    answered: int
    failed: int
    not_started: int
    response: Quantiles
    service: Quantiles


@dataclass(frozen=True, slots=True)
class ObjectiveResult:
    """One objective of a load run: did it hold, what was measured, and how far that was from the limit.

    Attributes:
        held: None when too little was measured to say.
        margin: Distance from the limit as a ratio of the limit; above 0 holds.
    """

    text: str
    held: bool | None
    measured: Measured
    limit: Measured
    margin: float | None


@dataclass(frozen=True, slots=True)
class LoadRun:
    """One load run, as its recording tells it.

    Attributes:
        shape: The load that was asked for, in words, such as `500/s for 30 s`.
        speed: `declarative` (wholly in Rust) or `python`.
        response_curve: (quantile, nanoseconds) pairs, rising; from the planned start.
        service_curve: The same, from the send.
        statuses: Answers by HTTP status.
        errors: (kind, count, one example) of every error kind that occurred.
        generator_limited: The generator itself was the limit: the run must not be quoted.
    """

    name: str
    shape: str
    speed: str
    seconds: float
    planned: int
    started: int
    answered: int
    failed: int
    not_started: int
    requests_per_s: Measured
    response: Quantiles
    service: Quantiles
    lag: Quantiles
    response_curve: tuple[tuple[float, float], ...] = ()
    service_curve: tuple[tuple[float, float], ...] = ()
    steps: tuple[LoadStep, ...] = ()
    statuses: tuple[tuple[str, int], ...] = ()
    errors: tuple[tuple[str, int, str], ...] = ()
    objectives: tuple[ObjectiveResult, ...] = ()
    generator_cpu_us_per_request: float | None = None
    generator_limited: bool = False


@dataclass(frozen=True, slots=True)
class Report:
    """Everything one assessment, or one load run, says."""

    title: str
    target: str
    made_at: str
    machine: str
    versions: tuple[tuple[str, str], ...]
    question: str
    answer: Literal["yes", "with changes", "no", "unknown"]
    verdict: str
    grade: str
    scores: tuple[Score, ...]
    objectives: tuple[str, ...]
    stages: tuple[Stage, ...]
    changes: tuple[Change, ...]
    capacity: tuple[CapacityRow, ...]
    bottleneck: Bottleneck | None
    growth: tuple[GrowthRow, ...]
    prices: str
    roadmap: tuple[RoadmapPhase, ...]
    recommendations: tuple[Recommendation, ...]
    findings: tuple[Finding, ...]
    gaps: tuple[str, ...]
    panels: tuple[Panel, ...]
    marks: tuple[Mark, ...]
    notes: tuple[str, ...] = field(default=())
    seconds: float = 0.0
    seed: int | None = None
    schema: int = 1
    load_runs: tuple[LoadRun, ...] = ()
