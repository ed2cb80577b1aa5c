"""Which foreign keys have no index on the table that refers?

Without one, each delete or key update of a parent row, and each join from parent to children, reads the whole table.
A partial index does not cover, nor does an invalid one: the planner and the constraint's trigger cannot rely on it.
"""

from __future__ import annotations

from collections.abc import Iterator

from scaleworthy.audit.check import Check
from scaleworthy.audit.conclude import conclude
from scaleworthy.audit.evidence import Evidence, ForeignKey, Index
from scaleworthy.audit.names import create_index, index_name
from scaleworthy.finding import Evidence as Fact
from scaleworthy.finding import Finding, Fix
from scaleworthy.units import format_bytes

ID = "database/0003_foreign_key_index"
ROWS_FAIL = 10_000


def covers(index: Index, key: ForeignKey) -> bool:
    """Whether the index's first columns are the key's, in any order."""
    width = len(key.columns)
    return index.plain and len(index.columns) >= width and set(index.columns[:width]) == set(key.columns)


def run(evidence: Evidence) -> Iterator[Finding]:
    """Yield one finding per foreign key that no index covers."""
    for key in evidence.foreign_keys:
        table, parent = evidence.tables.get(key.table), evidence.tables.get(key.parent)
        if table is None or any(covers(index, key) for index in evidence.indexes_of.get(key.table, ())):
            continue
        rows = max(table.rows, float(table.live_rows))
        deleted = parent.deleted if parent else 0
        name = index_name(table, key.columns, evidence)
        create, drop = create_index(table, key.columns, name)
        yield conclude(
            ID,
            f"{table.label}({','.join(key.columns)})",
            "fail" if rows >= ROWS_FAIL and deleted else "warn",
            f"Foreign key {key.name} of {table.label} has no index",
            detail=f"{table.label}({', '.join(key.columns)}) refers to {key.parent.removeprefix('public.')}, on delete {key.on_delete}. "
            f"Deleting a parent row reads all of {table.label}.",
            evidence=(
                Fact(f"rows of {table.label}", rows, "rows", source="pg_class, pg_stat_user_tables"),
                Fact(
                    "parent rows deleted",
                    float(deleted),
                    "rows",
                    source="pg_stat_user_tables",
                ),
            ),
            impact=f"each parent delete reads {rows:,.0f} rows ({format_bytes(table.bytes)})",
            impact_level="medium" if rows >= ROWS_FAIL and deleted else "low",
            fix=Fix(f"Add an index on {table.label}({', '.join(key.columns)})", "sql", (create,), (drop,)),
            labels={"table": table.label, "columns": ",".join(key.columns)},
        )


CHECK = Check(
    ID, "Foreign keys without an index", "Every foreign key is covered by an index", run, needs=("foreignkey", "index")
)
