"""How near are the connections to what the server (or this database) allows?

Warns from 70 % on, fails from 85 % on: a client that finds no slot gets an error, not a queue. Part of a recording counts at
its highest second.
"""

from __future__ import annotations

from collections.abc import Iterator

from scaleworthy.audit.check import Check
from scaleworthy.audit.conclude import conclude
from scaleworthy.audit.evidence import Evidence
from scaleworthy.finding import Evidence as Fact
from scaleworthy.finding import Finding, Fix
from scaleworthy.units import format_ratio

ID = "database/0009_connections"
WARN, FAIL = 0.70, 0.85


def run(evidence: Evidence) -> Iterator[Finding]:
    """Yield a finding when most slots are taken."""
    server = evidence.server
    used, source = float(server.connections_used), "pg_stat_activity, at the time of the audit"
    if evidence.store is not None and server.limited_by == "max_connections":
        most = evidence.store.maximum("postgres.connections_used", window=evidence.window)
        if most is not None and most > used:
            used, source = most, "the recording, its highest second"
    ratio = used / server.connections_limit if server.connections_limit else 1.0
    if ratio < WARN:
        return
    yield conclude(
        ID,
        "limit",
        "fail" if ratio >= FAIL else "warn",
        f"{used:,.0f} of {server.connections_limit:,} connections are taken",
        detail=f"{server.limited_by} sets the limit (slots kept for superusers are left out).",
        evidence=(
            Fact("connections", used, "connections", source=source),
            Fact("limit", float(server.connections_limit), "connections", source=server.limited_by),
        ),
        impact=f"{format_ratio(ratio)} of the slots; the next {server.connections_limit - used:,.0f} clients get in, the others an error",
        impact_level="high" if ratio >= FAIL else "medium",
        effort="medium",
        fix=Fix(
            "Put a pooler (PgBouncer, transaction mode) or a bounded pool between clients and server; size it by "
            "throughput × time per transaction, not by clients",
            "operation",
        ),
    )


CHECK = Check(ID, "Connections against the limit", "Less than 70 % of the connections are taken", run)
