"""Which indexes has nobody read since the statistics began?

Not judged: unique, primary and constraint indexes (they hold a rule), replica identities, invalid ones (0006), those that alone
cover a foreign key. Statistics younger than a week, or replicas whose reads are counted elsewhere, leave the answer open.
"""

from __future__ import annotations

from collections.abc import Iterator

from scaleworthy.audit.check import Check
from scaleworthy.audit.conclude import conclude
from scaleworthy.audit.evidence import Evidence, Index
from scaleworthy.audit.names import drop_index
from scaleworthy.finding import Evidence as Fact
from scaleworthy.finding import Finding, Fix
from scaleworthy.units import format_bytes, three_digits

ID = "database/0004_unused_index"
BYTES_MIN = 256 * 1024
AGE_S_MIN = 7 * 86_400
# What one more B-tree costs each inserted row: measured on PostgreSQL 18, docs/audit.md.
WRITE_US = (0.7, 1.8)


def run(evidence: Evidence) -> Iterator[Finding]:
    """Yield one finding per index that was not read."""
    age_s = evidence.server.statistics_age_s
    age = f"{three_digits(age_s / 86_400)} days" if age_s >= 86_400 else f"{three_digits(age_s / 3600)} hours"
    doubts = []
    if evidence.server.statistics_age_s < AGE_S_MIN:
        doubts.append(f"statistics of a week: these are {age} old. Audit again after a full week of work")
    if evidence.server.replicas or evidence.server.in_recovery:
        doubts.append("the reads of every server: each replica and the primary count their own. Audit each of them")
    for index in evidence.indexes:
        if not _judged(index) or _covers_alone(evidence, index):
            continue
        table = evidence.tables[index.table]
        writes = table.inserted + table.updated - table.hot_updated
        low_s, high_s = (writes * cost / 1e6 for cost in WRITE_US)
        yield conclude(
            ID,
            index.name,
            "unknown" if doubts else "warn",
            f"Index {index.name} of {table.label} was never read",
            detail=index.definition,
            evidence=(
                Fact("reads", 0.0, "scans", source=f"pg_stat_user_indexes, over {age}"),
                Fact("size", float(index.bytes), "bytes", source="pg_relation_size"),
                Fact(
                    "rows written that had to be written here too", float(writes), "rows", source="pg_stat_user_tables"
                ),
            ),
            impact=f"{format_bytes(index.bytes)}, and about {low_s:.3g} to {high_s:.3g} s of writing so far",
            impact_level="medium" if index.bytes > 100e6 else "low",
            fix=Fix(
                f"Drop {index.name}",
                "sql",
                (drop_index(table.schema, index.name),),
                (index.definition.replace("CREATE INDEX", "CREATE INDEX CONCURRENTLY", 1),),
            ),
            missing="; ".join(doubts) or None,
            labels={"table": table.label, "index": index.name},
        )


def _judged(index: Index) -> bool:
    kept = index.unique or index.primary or index.constraint or index.replica_identity
    return not kept and index.valid and index.scans == 0 and index.bytes >= BYTES_MIN


def _covers_alone(evidence: Evidence, index: Index) -> bool:
    others = [other for other in evidence.indexes_of[index.table] if other.plain and other.name != index.name]
    for foreign in evidence.foreign_keys:
        width, columns = len(foreign.columns), set(foreign.columns)
        if foreign.table == index.table and index.plain and set(index.columns[:width]) == columns:
            return not any(set(other.columns[:width]) == columns for other in others)
    return False


CHECK = Check(ID, "Unused indexes", "Every index of size is read", run, needs=("index", "table"))
