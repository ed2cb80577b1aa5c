"""What one request costs, as growth needs it: the demands of each tier, and what else was measured beside them.

Units:    core-seconds per request; requests per second; bytes; rows; ratio 0 to 1.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from scaleworthy.capacity.demand import Demand, demand
from scaleworthy.capacity.usage import GENERATOR, UNACCOUNTED, Level, roles, whole
from scaleworthy.series import Store

STORES = ("postgres", "valkey")
LOOKUPS_LEAST = 0.01
"""Cache look-ups per request below which the service is said not to use the cache."""
_CONTROL = re.compile(
    r"\s*(begin|commit|rollback|set|reset|show|start|savepoint|release|deallocate|discard)\b", re.IGNORECASE
)
_READS = re.compile(r"\s*(/\*.*?\*/\s*)*(select|with|table|values)\b", re.IGNORECASE | re.DOTALL)
_WRITES = re.compile(
    r"\b(insert\s+into|update\s+\S+\s+set|delete\s+from|merge\s+into|for\s+update|for\s+no\s+key)\b", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Cost:
    """What a request takes of a tier, in core-seconds: best value, 95 % interval, and the tier's use at no load."""

    value_s: float
    low_s: float
    high_s: float
    base_cores: float = 0.0

    def __add__(self, other: Cost) -> Cost:
        return Cost(
            self.value_s + other.value_s,
            self.low_s + other.low_s,
            self.high_s + other.high_s,
            self.base_cores + other.base_cores,
        )


@dataclass(frozen=True, slots=True)
class Needs:
    """What was measured of one request.

    Attributes:
        rate_top_per_s: Highest load that the costs rest on.
        application, database, cache: None where the tier was not observed.
        application_workers: Processes that served requests while this was measured.
        read_ratio: Share of the database's time spent in statements that only read; None when not observed.
        scanned_rows: Rows read by sequential scans per request: work that grows with the data.
        response_bytes: Sent to the client per request.
        database_bytes: Size of the database, None when not observed.
        cache_bytes: Memory of the cache at most.
        connection_held_s: How long a request holds a database connection; None when not observed.
    """

    rate_top_per_s: float
    application: Cost | None
    database: Cost | None
    cache: Cost | None
    application_workers: float = 1.0
    read_ratio: float | None = None
    scanned_rows: float = 0.0
    response_bytes: float = 0.0
    database_bytes: float | None = None
    cache_bytes: float | None = None
    connection_held_s: float | None = None


def needs(store: Store, measured: Sequence[Level]) -> Needs:
    """Return what a request costs, from the levels measured and the other series of the store beside them."""
    top = max((level.rate_per_s for level in measured if level.clean), default=0.0)
    application: Cost | None = None
    for role in roles(store):
        if role not in (*STORES, GENERATOR) and (cost := _cost(demand(f"cpu:{role}", measured))) is not None:
            application = cost if application is None else application + cost
    rest = _cost(demand(UNACCOUNTED, measured))
    if application is not None and rest is not None:
        # Kernel and network work belongs to no process of a role. It goes with the requests, and part of it is the
        # generator's end of the loopback: the whole is charged to the application only in the interval's upper end.
        application = Cost(
            application.value_s, application.low_s, application.high_s + rest.value_s, application.base_cores
        )
    answered = sum(store.total("load.answered", window=(level.start_s, level.end_s)) for level in measured)
    held = demand("pool", measured)
    return Needs(
        rate_top_per_s=top,
        application=application,
        database=_cost(demand("cpu:postgres", measured)),
        cache=_cost(demand("cpu:valkey", measured)) if _looks_up(store, measured, answered) else None,
        application_workers=max(
            1.0, store.maximum("process.count", labels={"role": "http"}, window=whole(measured)) or 1.0
        ),
        read_ratio=read_ratio(store, measured),
        scanned_rows=_per_request(store, "postgres.table_seq_rows", measured, answered),
        response_bytes=_per_request(store, "load.bytes_received", measured, answered),
        database_bytes=database_bytes(store),
        cache_bytes=store.maximum("valkey.memory", window=whole(measured)),
        connection_held_s=held.line.slope if held is not None and held.rises else None,
    )


def read_ratio(store: Store, measured: Sequence[Level]) -> float | None:
    """Return the share of PostgreSQL's statement time that only reads, from the statements' texts; None without any."""
    texts = store.facts("statement")
    reads = total = 0.0
    for level in measured:
        spent = store.by_label("postgres.statement_seconds", "queryid", window=(level.start_s, level.end_s))
        for queryid, seconds in spent.items():
            known = texts.get(queryid)
            text = known.get("text") if isinstance(known, dict) else None
            if not isinstance(text, str) or _CONTROL.match(text):
                continue
            total += seconds
            reads += seconds if only_reads(text) else 0.0
    return reads / total if total > 0 else None


def only_reads(statement: str) -> bool:
    """Return whether a statement's text only reads, so that a replica could answer it (a function call may still write)."""
    return _READS.match(statement) is not None and _WRITES.search(statement) is None


def database_bytes(store: Store) -> float | None:
    """Return the size of the database where an observer noted it, in bytes."""
    value = store.fact("postgres", "database_bytes")
    return float(value) if isinstance(value, int | float) and value > 0 else None


def _looks_up(store: Store, measured: Sequence[Level], answered: float) -> bool:
    """Whether requests use the cache: keys were looked up (a server that is only there, or only observed, has none)."""
    found = sum(_per_request(store, name, measured, answered) for name in ("valkey.hits", "valkey.misses"))
    return found >= LOOKUPS_LEAST


def _cost(needed: Demand | None) -> Cost | None:
    if needed is None:
        return None
    low, high = needed.line.slope_interval()
    return Cost(needed.line.slope, low, high, needed.line.base)


def _per_request(store: Store, name: str, measured: Sequence[Level], answered: float) -> float:
    total = sum(store.total(name, window=(level.start_s, level.end_s)) for level in measured)
    return total / answered if answered > 0 else 0.0
