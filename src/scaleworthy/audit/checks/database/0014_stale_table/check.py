"""Which tables does the planner not know, and which carry many dead rows?

Never analysed: the planner guesses. Dead rows above a fifth of the live ones: scans read them all, and vacuum does not keep up.
Tables under 1,000 rows are left alone, dead rows count from 10,000 on.
"""

from __future__ import annotations

from collections.abc import Iterator

from scaleworthy.audit.check import Check
from scaleworthy.audit.conclude import conclude
from scaleworthy.audit.evidence import Evidence
from scaleworthy.finding import Evidence as Fact
from scaleworthy.finding import Finding, Fix
from scaleworthy.units import format_ratio

ID = "database/0014_stale_table"
ROWS_MIN = 1_000
DEAD_MIN = 10_000
DEAD_RATIO = 0.20


def run(evidence: Evidence) -> Iterator[Finding]:
    """Yield one finding per table that needs ANALYZE or VACUUM."""
    for table in evidence.tables.values():
        if not table.analyzed and table.live_rows >= ROWS_MIN:
            yield conclude(
                ID,
                f"{table.label}/statistics",
                "warn",
                f"Table {table.label} was never analysed",
                evidence=(Fact("rows", float(table.live_rows), "rows", source="pg_stat_user_tables"),),
                impact="the planner guesses its size and values: it may choose a plan that is slower by orders of magnitude",
                impact_level="medium",
                fix=Fix(f"Analyse {table.label}", "operation", (f"ANALYZE {table.name}",)),
                labels={"table": table.label},
            )
        if table.dead_rows >= DEAD_MIN and table.dead_rows > DEAD_RATIO * table.live_rows:
            ratio = table.dead_rows / max(1, table.live_rows + table.dead_rows)
            yield conclude(
                ID,
                f"{table.label}/dead",
                "warn",
                f"{format_ratio(ratio)} of the row versions of {table.label} are dead",
                evidence=(
                    Fact("dead rows", float(table.dead_rows), "rows", source="pg_stat_user_tables"),
                    Fact("live rows", float(table.live_rows), "rows", source="pg_stat_user_tables"),
                ),
                impact=f"each scan of the table reads {table.dead_rows:,} rows that nobody can see",
                impact_level="medium",
                fix=Fix(
                    f"Vacuum {table.label}, and let autovacuum start earlier there",
                    "operation",
                    (
                        f"VACUUM (ANALYZE) {table.name}",
                        f"ALTER TABLE {table.name} SET (autovacuum_vacuum_scale_factor = 0.05)",
                    ),
                    (f"ALTER TABLE {table.name} RESET (autovacuum_vacuum_scale_factor)",),
                ),
                labels={"table": table.label},
            )


CHECK = Check(
    ID, "Stale statistics and dead rows", "Every table is analysed and carries few dead rows", run, needs=("table",)
)
