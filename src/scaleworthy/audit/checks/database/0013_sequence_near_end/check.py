"""Which sequences come near the end: their own, or that of the column they fill?

A serial primary key is a 4-byte integer: its sequence may count further than the column holds. 70 % warns, 90 % fails.
"""

from __future__ import annotations

from collections.abc import Iterator

from scaleworthy.audit.check import Check
from scaleworthy.audit.conclude import conclude
from scaleworthy.audit.evidence import Evidence, Sequence
from scaleworthy.audit.names import quoted
from scaleworthy.finding import Evidence as Fact
from scaleworthy.finding import Finding, Fix
from scaleworthy.units import format_ratio

ID = "database/0013_sequence_near_end"
WARN, FAIL = 0.70, 0.90


def run(evidence: Evidence) -> Iterator[Finding]:
    """Yield one finding per sequence that has little left."""
    for sequence in evidence.sequences:
        if sequence.last_value is None or sequence.increment <= 0:
            continue
        end = min(sequence.maximum, sequence.column_maximum or sequence.maximum)
        ratio = sequence.last_value / end
        if ratio >= WARN:
            yield _finding(sequence, end, ratio)


def _finding(sequence: Sequence, end: int, ratio: float) -> Finding:
    label = sequence.name.removeprefix("public.")
    left = max(0, (end - sequence.last_value) // sequence.increment) if sequence.last_value is not None else 0
    fix = None
    if sequence.table and sequence.column:
        statements = (
            f"ALTER SEQUENCE {sequence.name} AS bigint",
            f"ALTER TABLE {sequence.table} ALTER COLUMN {quoted(sequence.column)} TYPE bigint",
        )
        fix = Fix(
            "Make it bigint (this rewrites the table under a lock: for a large one, fill a new column instead)",
            "sql",
            statements,
        )
    return conclude(
        ID,
        label,
        "fail" if ratio >= FAIL else "warn",
        f"Sequence {label} has used {format_ratio(ratio)} of its numbers",
        evidence=(
            Fact("last value", float(sequence.last_value or 0), "", source="pg_sequences"),
            Fact(
                "end",
                float(end),
                "",
                source="the column's type" if end == sequence.column_maximum else "the sequence's maximum",
            ),
        ),
        impact=f"after {left:,} more rows every insert fails",
        impact_level="high" if ratio >= FAIL else "medium",
        effort="high",
        fix=fix,
        labels={"sequence": label},
    )


CHECK = Check(
    ID, "Sequences near their end", "Every sequence has at least 30 % of its numbers left", run, needs=("sequence",)
)
