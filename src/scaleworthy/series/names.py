"""The series there are: name, kind, unit and labels, as docs/reference/series.md describes them; a test compares the two."""

from __future__ import annotations

from dataclasses import dataclass

from scaleworthy.series.model import Kind

LabelValues = tuple[str, ...] | None
"""Every value a label can have, or None where they are open, such as the names of steps."""

ZERO_WHEN_ABSENT = frozenset({"status", "kind", "code", "direction", "outcome", "state", "phase", "operation"})
"""Labels whose value comes up when it first happens: not there means none, not unknown."""


@dataclass(frozen=True, slots=True)
class Known:
    """One series: what it holds, in which unit, told apart by which labels."""

    name: str
    kind: Kind
    unit: str
    labels: tuple[tuple[str, LabelValues], ...] = ()


_STEP = ("step", None)
_WORKER = ("worker", None)
_ROLE = ("role", None)
_QUERY = ("queryid", None)
_TABLE = ("table", None)
_OPERATION = ("operation", ("read", "write", "extend"))
_PHASES = ("dns", "connect", "tls", "send", "wait", "receive")
_ERRORS = (
    "connect", "dns", "tls", "timeout", "closed", "reset", "goaway", "protocol", "body-too-large", "redirect",
    "template", "expect-status", "expect-body", "expect-header", "expect-time", "extract", "steps", "script", "cancelled", "cut",
    "ws-close", "stream", "grpc",
)  # fmt: skip
_SOURCES = ("host", "processes", "postgres", "valkey")
_OPERATION = ("operation", ("read", "write", "extend"))
_STATES = ("active", "idle", "idle in transaction", "waiting")

_LOAD = (
    Known("load.response_time", "histogram", "ns", (_STEP,)),
    Known("load.service_time", "histogram", "ns", (_STEP,)),
    Known("load.lag", "histogram", "ns", (_STEP,)),
    Known("load.phase", "histogram", "ns", (_STEP, ("phase", _PHASES))),
    *(
        Known(f"load.{what}", "counter", "requests", (_STEP,))
        for what in ("planned", "started", "answered", "failed", "not_started")
    ),
    Known("load.statuses", "counter", "requests", (_STEP, ("status", None))),
    Known("load.errors", "counter", "requests", (_STEP, ("kind", _ERRORS))),
    Known("load.bytes_received", "counter", "bytes", (_STEP,)),
    Known("load.bytes_sent", "counter", "bytes", (_STEP,)),
    Known("load.in_flight", "gauge", "requests", (_STEP,)),
    Known("load.ws.round_trip", "histogram", "ns", (_STEP,)),
    Known("load.ws.ping", "histogram", "ns", (_STEP,)),
    Known("load.ws.messages_sent", "counter", "messages", (_STEP,)),
    Known("load.ws.messages_received", "counter", "messages", (_STEP,)),
    Known("load.ws.closes", "counter", "closes", (_STEP, ("code", None))),
    *(
        Known(f"load.stream.{what}", "histogram", "ns", (_STEP,))
        for what in ("first", "gap", "total", "age", "ttft", "tpot", "itl")
    ),
    Known("load.stream.events", "counter", "events", (_STEP,)),
    Known("load.stream.tokens", "counter", "tokens", (_STEP, ("direction", ("input", "output", "output-counted")))),
    Known("load.stream.good", "counter", "requests", (_STEP,)),
    Known("load.checks", "counter", "checks", (("check", None), ("outcome", ("pass", "fail")))),
    Known("load.timed", "histogram", "ns", (("name", None),)),
    Known("load.loop_lag", "histogram", "ns"),
    Known("load.waiting", "gauge", "requests"),
    Known("load.users", "gauge", "users"),
    Known("load.connections", "gauge", "connections"),
    Known("load.target", "gauge", ""),
    Known("generator.cpu_seconds", "counter", "s"),
    Known("generator.process_cpu_seconds", "counter", "s", (_WORKER,)),
    Known("generator.memory", "gauge", "bytes", (_WORKER,)),
)
_HOST = (
    Known("host.cpu", "gauge", "ratio"),
    Known("host.cpus", "gauge", "cores"),
    Known("host.memory_used", "gauge", "bytes"),
    Known("host.memory_total", "gauge", "bytes"),
    Known("host.disk_read", "counter", "bytes"),
    Known("host.disk_written", "counter", "bytes"),
    Known("host.disk_busy", "gauge", "ratio"),
    Known("host.network_received", "counter", "bytes"),
    Known("host.network_sent", "counter", "bytes"),
    Known("process.cpu_seconds", "counter", "s", (_ROLE,)),
    Known("process.memory", "gauge", "bytes", (_ROLE,)),
    Known("process.threads", "gauge", "", (_ROLE,)),
    Known("process.open_files", "gauge", "", (_ROLE,)),
    Known("process.count", "gauge", "", (_ROLE,)),
    Known("observe.cpu_seconds", "counter", "s", (("source", _SOURCES),)),
    Known("observe.cpu_seconds", "counter", "s", (("source", ("host", "processes", "postgres", "valkey")),)),
)
_POSTGRES = (
    Known("postgres.connections", "gauge", "connections", (("state", _STATES),)),
    Known("postgres.connections_used", "gauge", "connections"),
    Known("postgres.connections_max", "gauge", "connections"),
    Known("postgres.locks_waiting", "gauge", "locks"),
    Known("postgres.transactions", "counter", "transactions", (("outcome", ("commit", "rollback")),)),
    Known("postgres.blocks_hit", "counter", "blocks"),
    Known("postgres.blocks_read", "counter", "blocks"),
    Known("postgres.temp_bytes", "counter", "bytes"),
    Known("postgres.wal_bytes", "counter", "bytes"),
    Known("postgres.deadlocks", "counter", "deadlocks"),
    Known("postgres.longest_transaction", "gauge", "s"),
    Known("postgres.io_bytes", "counter", "bytes", (_OPERATION,)),
    Known("postgres.io_seconds", "counter", "s", (_OPERATION,)),
    Known("postgres.io_bytes", "counter", "bytes", (_OPERATION,)),
    Known("postgres.io_seconds", "counter", "s", (_OPERATION,)),
    Known("postgres.statement_calls", "counter", "calls", (_QUERY,)),
    Known("postgres.statement_seconds", "counter", "s", (_QUERY,)),
    Known("postgres.statement_rows", "counter", "rows", (_QUERY,)),
    Known("postgres.table_seq_rows", "counter", "rows", (_TABLE,)),
    Known("postgres.table_writes", "counter", "rows", (_TABLE,)),
)
_VALKEY = (
    Known("valkey.commands", "counter", "commands"),
    *(Known(f"valkey.{what}", "counter", "lookups") for what in ("hits", "misses")),
    *(Known(f"valkey.{what}", "counter", "keys") for what in ("evicted", "expired")),
    Known("valkey.memory", "gauge", "bytes"),
    Known("valkey.memory_max", "gauge", "bytes"),
    Known("valkey.clients", "gauge", "clients"),
    Known("valkey.blocked_clients", "gauge", "clients"),
)

KNOWN: dict[str, Known] = {known.name: known for known in (*_LOAD, *_HOST, *_POSTGRES, *_VALKEY)}
