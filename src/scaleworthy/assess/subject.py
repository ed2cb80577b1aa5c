"""What is assessed: the load to send, what must hold, and where the service's database, cache and processes are."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from scaleworthy.finding import Finding
from scaleworthy.load import Plan


@dataclass(frozen=True, slots=True)
class Subject:
    """One service.

    Attributes:
        plan: Target and scenarios; its load shape is replaced by the assessment's own.
        objectives: What must hold, as expressions over series.
        database: libpq DSN of its PostgreSQL, read only; None when it has none or it is not ours to see.
        owned: The database may be changed and is thrown away afterwards (the demo's own).
        processes: Role → process ids, where the service runs on this machine.
        pool_connections: Database connections that the service's processes may open together, where known.
        baseline_per_s: The low load at which latency is compared, in requests per second.
        hosts_owned: Hosts beyond loopback that the user may load.
        gaps: What of the service could not be included, in words.
    """

    name: str
    plan: Plan
    objectives: tuple[str, ...]
    database: str | None = None
    cache: str | None = None
    owned: bool = False
    processes: Mapping[str, Sequence[int]] = field(default_factory=dict)
    pool_connections: int | None = None
    baseline_per_s: float = 10.0
    hosts_owned: tuple[str, ...] = ()
    gaps: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Applied:
    """What a remedy did: the service as it is now, what was changed in words, and which findings it cured."""

    subject: Subject
    what_changed: str
    cured: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Remedy:
    """A change to try between two measurements; `apply` returns None where the findings give it nothing to do."""

    name: str
    apply: Callable[[Subject, Sequence[Finding]], Applied | None]
