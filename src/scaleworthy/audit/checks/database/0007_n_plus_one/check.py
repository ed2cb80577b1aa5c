"""Which step of the load runs the same statement many times per request?

The recording counts, each second, the calls of every statement and the answered requests of every step. Calls are explained as
a sum over steps of (requests × calls per request), never negative, plus a constant for what runs beside the load: non-negative
least squares over groups of seconds, with an interval from resampling the groups. Where all steps rise and fall together, calls
cannot be told apart by step, and only the calls per answered request are named.
"""

from __future__ import annotations

from collections.abc import Iterator

from scaleworthy.audit.check import Check
from scaleworthy.audit.conclude import conclude, level_of_share
from scaleworthy.audit.evidence import Evidence, Statement
from scaleworthy.audit.per_request import Factor, per_request
from scaleworthy.audit.statement import cost, kind, one_line, stable_name
from scaleworthy.finding import Evidence as Fact
from scaleworthy.finding import Finding, Fix, Level
from scaleworthy.units import format_ratio, three_digits

ID = "database/0007_n_plus_one"
FACTOR_WARN, FACTOR_FAIL = 3.0, 8.0
ROWS_PER_CALL_MAX = 50.0
CALLS_MIN = 50


def run(evidence: Evidence) -> Iterator[Finding]:
    """Yield one finding per statement and step where it is repeated; `unknown` without a recording of the load."""
    store = evidence.store
    if store is None or not store.by_label("load.answered", "step", window=evidence.window):
        yield conclude(
            ID,
            "unknown",
            "unknown",
            "Not judged: statements per request",
            missing="a recording of a load together with this database, as scaleworthy assess makes it: its report has this "
            "check, and scaleworthy audit --recording assess.sw repeats it",
        )
        return
    repeated = [
        statement
        for statement in evidence.statements
        if statement.calls >= CALLS_MIN
        and statement.rows_per_call <= ROWS_PER_CALL_MAX
        and kind(statement.text) == "select"
    ]
    factors = per_request(store, sorted({statement.queryid for statement in repeated}), window=evidence.window)
    seen = set()
    for statement in repeated:
        for factor in factors.get(statement.queryid, ()):
            key = (statement.queryid, factor.step)
            if key in seen or factor.interval[0] < FACTOR_WARN:
                continue
            seen.add(key)
            yield _finding(evidence, statement, factor)


def _finding(evidence: Evidence, statement: Statement, factor: Factor) -> Finding:
    share = evidence.share([statement])
    times = three_digits(factor.calls)
    where = f"Step {factor.step!r}" if factor.step else "An answered request, over all steps,"
    return conclude(
        ID,
        f"{factor.step or 'all'}/{stable_name(statement)}",
        "fail" if factor.interval[0] >= FACTOR_FAIL else "warn",
        f"{where} runs the same statement {times} times per request",
        detail=" ".join(statement.text.split()),
        evidence=(
            Fact(
                "calls per request",
                factor.calls,
                "calls",
                factor.requests,
                factor.interval,
                "postgres.statement_calls against load.answered, per second of the recording",
            ),
            Fact("rows a call", statement.rows_per_call, "rows", statement.calls, source="pg_stat_statements"),
        ),
        impact=f"{cost(evidence, statement)}; {times} round trips where one would do ({format_ratio(share)} of database time)",
        impact_level=_impact(factor, share),
        effort="medium",
        fix=Fix(
            f"Fetch what the {times} calls fetch in one: join it, or ask for all keys at once (… = ANY($1)): "
            f"{one_line(statement.text, 80)}",
            "code",
        ),
        labels={"queryid": statement.queryid, "step": factor.step or ""},
    )


def _impact(factor: Factor, share: float) -> Level:
    """Round trips cost the service even where they cost the database next to nothing: many of them are never a small matter."""
    level = level_of_share(share)
    return "medium" if level == "low" and factor.interval[0] >= FACTOR_FAIL else level


CHECK = Check(ID, "N+1 statements", "No step repeats a statement within a request", run, needs=("statements",))
