"""Which indexes would make the statements that really ran faster, as tried before and after?"""

from __future__ import annotations

from collections.abc import Iterator

from scaleworthy.audit.advice import Advice, Helped, advise
from scaleworthy.audit.check import Check
from scaleworthy.audit.conclude import conclude, level_of_share
from scaleworthy.audit.evidence import Evidence, Statement
from scaleworthy.audit.names import create_index, index_name
from scaleworthy.audit.statement import cost, one_line, stable_name
from scaleworthy.finding import Evidence as Fact
from scaleworthy.finding import Finding, Fix, Proof
from scaleworthy.units import format_bytes, format_ns, format_ratio

ID = "database/0002_missing_index"
SHARE_FAIL = 0.10
SHARE_UNKNOWN = 0.01


def run(evidence: Evidence) -> Iterator[Finding]:
    """Yield one finding per index that held, then what could not be tried."""
    result = advise(evidence)
    for advice in result.advice:
        yield _finding(evidence, advice, result.notes)
    for candidate, statement in result.untried:
        yield conclude(
            ID,
            f"untried/{candidate.key}/{stable_name(statement)}",
            "unknown",
            f"An index on {candidate.key} may help",
            detail=" ".join(statement.text.split()),
            impact=cost(evidence, statement),
            missing="a proof: audit with --prove copy, which tries it on a copy",
            labels={"queryid": statement.queryid},
        )
    refused = [(statement, why) for statement, why in result.refused if evidence.share([statement]) >= SHARE_UNKNOWN]
    if refused:
        yield _refused(evidence, refused)


def _finding(evidence: Evidence, advice: Advice, notes: list[str]) -> Finding:
    table, columns = evidence.tables[advice.candidate.table], advice.candidate.columns
    first = advice.helped[0]
    share = advice.net_ms / evidence.statement_ms if evidence.statement_ms else 0.0
    create, drop = create_index(table, columns, index_name(table, columns, evidence))
    proof = Proof(
        advice.where,
        " ".join(first.statement.text.split()),
        first.before.ms,
        first.after.ms,
        min(first.before.samples, first.after.samples),
        first.before.plan,
        first.after.plan,
    )
    size, seconds = advice.built.bytes, advice.built.seconds
    summary = f"Add an index on {table.label} ({', '.join(columns)}): {format_bytes(size)}, built in {format_ns(seconds * 1e9)} there"
    return conclude(
        ID,
        advice.candidate.key,
        "fail" if share >= SHARE_FAIL else "warn",
        f"An index on {table.label} ({', '.join(columns)}) is missing",
        detail="\n".join(
            [f"{len(advice.helped)} of the statements that ran would use it.", *map(_helped, advice.helped), *notes]
        ),
        evidence=(
            Fact("part of all statement time that it saves, writing it taken off", share, "ratio", source=proof.where),
            Fact("before", first.before.ms, "ms", first.before.samples, source=proof.where),
            Fact("after", first.after.ms, "ms", first.after.samples, source=proof.where),
            Fact(
                "mean time of a call as it ran",
                first.statement.mean_ms,
                "ms",
                first.statement.calls,
                source="pg_stat_statements",
            ),
            Fact("size", float(size), "bytes", source=proof.where),
            Fact("time to build", seconds, "s", 1, source=proof.where),
            Fact("rows written meanwhile", float(advice.written_rows), "rows", source="pg_stat_statements"),
        ),
        impact=f"{cost(evidence, first.statement)}; the index saves {format_ratio(share)} of all database time",
        impact_level=level_of_share(share),
        fix=Fix(summary, "sql", (create,), (drop,), proof),
        labels={"table": table.label, "columns": ",".join(columns), "queryid": first.statement.queryid},
    )


def _helped(item: Helped) -> str:
    times = f"{format_ns(item.before.ms * 1e6)} → {format_ns(item.after.ms * 1e6)}"
    return f"{times}: {one_line(item.statement.text)}"


def _refused(evidence: Evidence, refused: list[tuple[Statement, str]]) -> Finding:
    lines = [f"{one_line(statement.text, 80)}: {why}" for statement, why in refused]
    return conclude(
        ID,
        "untried",
        "unknown",
        f"{len(refused)} statements could not be tried",
        detail="\n".join(lines),
        impact=f"{format_ratio(evidence.share([statement for statement, _ in refused]))} of all database time",
        missing="; ".join(dict.fromkeys(why for _, why in refused)),
    )


CHECK = Check(
    ID,
    "Missing indexes",
    "No index was found that would save noticeable time",
    run,
    needs=("statements", "table", "column", "index"),
)
