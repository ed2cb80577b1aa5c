"""Which indexes are left over from a CREATE INDEX CONCURRENTLY that failed: written on every change, read by nobody?"""

from __future__ import annotations

from collections.abc import Iterator

from scaleworthy.audit.check import Check
from scaleworthy.audit.conclude import conclude
from scaleworthy.audit.evidence import Evidence
from scaleworthy.audit.names import drop_index, quoted
from scaleworthy.finding import Evidence as Fact
from scaleworthy.finding import Finding, Fix
from scaleworthy.units import format_bytes

ID = "database/0006_invalid_index"


def run(evidence: Evidence) -> Iterator[Finding]:
    """Yield one finding per invalid index that nobody is building at the moment."""
    for index in evidence.indexes:
        if index.valid or index.building:
            continue
        table = evidence.tables[index.table]
        drop = drop_index(table.schema, index.name)
        rebuild = f"REINDEX INDEX CONCURRENTLY {quoted(table.schema)}.{quoted(index.name)}"
        yield conclude(
            ID,
            index.name,
            "fail",
            f"Index {index.name} of {table.label} is invalid",
            detail=f"{index.definition}\nIts build failed. No statement may use it, and each write still maintains it.",
            evidence=(Fact("size", float(index.bytes), "bytes", source="pg_index, pg_relation_size"),),
            impact=f"{format_bytes(index.bytes)} that serve nobody; whoever asked for the index does not have it",
            impact_level="medium",
            fix=Fix(
                f"Drop it, mend what stopped its build, then build it again ({rebuild})", "sql", (drop,), (rebuild,)
            ),
            labels={"table": table.label, "index": index.name},
        )


CHECK = Check(ID, "Invalid indexes", "Every index is valid", run, needs=("index",))
