"""Which sessions hold a transaction open: for long, or without doing anything?

An open transaction holds its locks, its connection, and every dead row version that it might still see. Ages are taken at the
audit's own time. One minute warns when active and fails when idle; an idle one of ten seconds warns.
"""

from __future__ import annotations

from collections.abc import Iterator

from scaleworthy.audit.check import Check
from scaleworthy.audit.conclude import conclude
from scaleworthy.audit.evidence import Evidence, Session
from scaleworthy.audit.statement import one_line
from scaleworthy.finding import Evidence as Fact
from scaleworthy.finding import Finding, Fix
from scaleworthy.units import format_ns

ID = "database/0012_long_transactions"
LONG_S, IDLE_S = 60.0, 10.0


def run(evidence: Evidence) -> Iterator[Finding]:
    """Yield one finding per session whose transaction stays open."""
    for session in evidence.sessions:
        if session.transaction_s is None:
            continue
        idle = session.state.startswith("idle in transaction")
        if (idle and session.state_s >= IDLE_S) or session.transaction_s >= LONG_S:
            yield _finding(session, idle=idle)
    if evidence.store is None:
        return
    longest = evidence.store.maximum("postgres.longest_transaction", window=evidence.window)
    if longest is not None and longest >= LONG_S:
        yield conclude(
            ID,
            "recorded",
            "warn",
            f"A transaction stayed open for {format_ns(longest * 1e9)} while the recording ran",
            evidence=(Fact("longest transaction", longest, "s", source="the recording"),),
            impact="dead row versions cannot be removed meanwhile, and its locks stay",
            impact_level="medium",
            effort="medium",
        )


def _finding(session: Session, *, idle: bool) -> Finding:
    seconds = session.state_s if idle else (session.transaction_s or 0.0)
    what = "idle in a transaction" if idle else "in one transaction"
    who = session.application or session.role
    return conclude(
        ID,
        f"{who}:{'idle' if idle else 'long'}:{session.pid}",
        "fail" if idle and seconds >= LONG_S else "warn",
        f"Session {session.pid} of {who} is {what} for {format_ns(seconds * 1e9)}",
        detail=f"Last statement: {one_line(session.text)}",
        evidence=(
            Fact("age of the transaction", session.transaction_s, "s", source="pg_stat_activity"),
            Fact("time in this state", session.state_s, "s", source="pg_stat_activity"),
        ),
        impact="holds a connection and its locks; dead row versions pile up in every table meanwhile",
        impact_level="high" if idle and seconds >= LONG_S else "medium",
        effort="medium",
        fix=Fix(
            "End the transaction before waiting for anything else (a request, a queue, a person); let the server end those left open",
            "setting",
            ("ALTER SYSTEM SET idle_in_transaction_session_timeout = '60s'", "SELECT pg_reload_conf()"),
            ("ALTER SYSTEM RESET idle_in_transaction_session_timeout", "SELECT pg_reload_conf()"),
        ),
        labels={"pid": str(session.pid), "application": session.application},
    )


CHECK = Check(ID, "Long transactions", "No session holds a transaction open for long", run, needs=("session",))
