"""How much of what statements read is found in shared buffers?

Below 99 % warns (as PgHero), below 95 % fails; fewer than 10,000 blocks say nothing. A block that is not in shared buffers may
still be in the operating system's cache: the ratio is not yet disk reads.
"""

from __future__ import annotations

from collections.abc import Iterator

from scaleworthy.audit.check import Check
from scaleworthy.audit.conclude import conclude
from scaleworthy.audit.evidence import Evidence
from scaleworthy.finding import Evidence as Fact
from scaleworthy.finding import Finding, Fix
from scaleworthy.units import format_bytes, format_ratio

ID = "database/0010_cache_hit_ratio"
WARN, FAIL = 0.99, 0.95
BLOCKS_MIN = 10_000


def run(evidence: Evidence) -> Iterator[Finding]:
    """Yield a finding when too much is read from below."""
    hit, read, source = float(evidence.server.blocks_hit), float(evidence.server.blocks_read), "pg_stat_database"
    if evidence.store is not None:
        hit_then = evidence.store.total("postgres.blocks_hit", window=evidence.window)
        read_then = evidence.store.total("postgres.blocks_read", window=evidence.window)
        if hit_then + read_then >= BLOCKS_MIN:
            hit, read, source = hit_then, read_then, "the recording"
    if hit + read < BLOCKS_MIN:
        return
    ratio = hit / (hit + read)
    if ratio >= WARN:
        return
    buffers = evidence.settings.get("shared_buffers")
    yield conclude(
        ID,
        "shared_buffers",
        "fail" if ratio < FAIL else "warn",
        f"{format_ratio(ratio)} of blocks are found in shared buffers",
        detail=f"shared_buffers is {buffers.shown if buffers else 'unknown'}; "
        f"the database holds {format_bytes(evidence.server.database_bytes)}.",
        evidence=(
            Fact("blocks found in shared buffers", ratio, "ratio", round(hit + read), source=source),
            Fact("read from below", read * 8192, "bytes", source=source),
        ),
        impact=f"{format_bytes(read * 8192)} were asked of the operating system or the disk",
        impact_level="high" if ratio < 0.9 else "medium",
        effort="medium",
        fix=Fix(
            "First let statements touch fewer blocks (0001, 0002); then let shared_buffers hold what is hot (0011)",
            "setting",
        ),
    )


CHECK = Check(
    ID, "Cache hit ratio", "At least 99 % of blocks are found in shared buffers, or too few were read to tell", run
)
