"""Which indexes does another one replace: the same, or its first columns?

Same means: method, columns, operator classes, collations, order, expressions and predicate. An index that holds a rule
(unique, primary, constraint) or a replica identity is never the one to go.
"""

from __future__ import annotations

from collections.abc import Iterator

from scaleworthy.audit.check import Check
from scaleworthy.audit.conclude import conclude
from scaleworthy.audit.evidence import Evidence, Index
from scaleworthy.audit.names import drop_index
from scaleworthy.finding import Evidence as Fact
from scaleworthy.finding import Finding, Fix
from scaleworthy.units import format_bytes

ID = "database/0005_duplicate_index"


def run(evidence: Evidence) -> Iterator[Finding]:
    """Yield one finding per index that another one makes needless."""
    for table, indexes in sorted(evidence.indexes_of.items()):
        gone: set[str] = set()
        for index in indexes:
            better = next((other for other in indexes if other.name not in gone and replaces(other, index)), None)
            if better is None:
                continue
            gone.add(index.name)
            same = better.shape == index.shape
            schema = evidence.tables[table].schema
            yield conclude(
                ID,
                index.name,
                "fail" if same else "warn",
                f"Index {index.name} is {'the same as' if same else 'a prefix of'} {better.name}",
                detail=f"{index.definition}\n{better.definition}",
                evidence=(
                    Fact("size", float(index.bytes), "bytes", source="pg_relation_size"),
                    Fact(
                        "reads that the other one would serve",
                        float(index.scans),
                        "scans",
                        source="pg_stat_user_indexes",
                    ),
                ),
                impact=f"{format_bytes(index.bytes)}, and one more index to write for each row written",
                impact_level="medium" if index.bytes > 100e6 else "low",
                fix=Fix(
                    f"Drop {index.name}; {better.name} serves its reads",
                    "sql",
                    (drop_index(schema, index.name),),
                    (index.definition.replace("CREATE INDEX", "CREATE INDEX CONCURRENTLY", 1),),
                ),
                labels={"table": evidence.tables[table].label, "index": index.name, "kept": better.name},
            )


def replaces(other: Index, index: Index) -> bool:
    """Whether *other* serves everything that *index* does, so that *index* can go."""
    if other.name == index.name or index.unique or index.primary or index.constraint or index.replica_identity:
        return False
    alike = other.valid and index.valid and other.method == index.method and other.predicate == index.predicate
    if not alike or not set(index.included) <= {*other.included, *other.columns}:
        return False
    if other.shape == index.shape:
        # Of two that are the same, the one that holds a rule stays; of two equals, the one named first.
        return other.unique or len(other.included) > len(index.included) or other.name < index.name
    return index.method == "btree" and other.shape[: len(index.shape)] == index.shape


CHECK = Check(ID, "Duplicate indexes", "No index repeats another", run, needs=("index",))
