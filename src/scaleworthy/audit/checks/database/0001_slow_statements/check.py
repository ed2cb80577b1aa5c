"""Which statements are slow, run often enough to matter, and take a part of the database's time?

Thresholds: a mean of 20 ms (as PgHero), at least 10 calls, and 1 % of all statement time; from 10 % on it fails.
"""

from __future__ import annotations

from collections.abc import Iterator

from scaleworthy.audit.check import Check
from scaleworthy.audit.conclude import conclude, level_of_share
from scaleworthy.audit.evidence import Evidence
from scaleworthy.audit.statement import cost, kind, one_line, source, stable_name
from scaleworthy.finding import Evidence as Fact
from scaleworthy.finding import Finding
from scaleworthy.units import format_ns

ID = "database/0001_slow_statements"
MEAN_MS_MIN = 20.0
CALLS_MIN = 10
SHARE_MIN = 0.01
SHARE_FAIL = 0.10


def run(evidence: Evidence) -> Iterator[Finding]:
    """Yield one finding per slow statement."""
    for statement in evidence.statements:
        share = evidence.share([statement])
        if statement.mean_ms < MEAN_MS_MIN or statement.calls < CALLS_MIN or share < SHARE_MIN:
            continue
        if kind(statement.text) == "other":
            continue
        yield conclude(
            ID,
            stable_name(statement),
            "fail" if share >= SHARE_FAIL else "warn",
            f"A statement takes {format_ns(statement.mean_ms * 1e6)} a call: {one_line(statement.text, 60)}",
            detail=" ".join(statement.text.split()),
            evidence=(
                Fact("mean time of a call", statement.mean_ms, "ms", statement.calls, source=source(evidence)),
                Fact("part of all statement time", share, "ratio", source=source(evidence)),
                Fact(
                    "8 kB blocks a call", statement.blocks_per_call, "blocks", statement.calls, source=source(evidence)
                ),
                Fact("rows a call", statement.rows_per_call, "rows", statement.calls, source=source(evidence)),
            ),
            impact=cost(evidence, statement),
            impact_level=level_of_share(share),
            effort="medium",
            labels={"queryid": statement.queryid, "role": statement.role},
        )


CHECK = Check(ID, "Slow statements", "No statement is both slow and frequent", run, needs=("statements",))
