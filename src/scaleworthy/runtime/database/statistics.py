"""What became of what was asked of a database."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from scaleworthy.runtime.database.pool import PoolStatistics


@dataclass(frozen=True, slots=True)
class DatabaseStatistics:
    """Counts since it was opened, and the pools as they are.

    `replica_reads` + `writer_reads` are all reads. Of the latter `too_late` found no replica that had seen the caller's writes in time,
    `failed_over` were given up by a replica that was lost or busy, or whose replay ended the statement, and `unfit` are texts that a
    replica refused because they write. `waited` reads waited for a replica.
    """

    replica_reads: int
    writer_reads: int
    too_late: int
    failed_over: int
    unfit: int
    writes: int
    waited: int
    pools: Mapping[str, PoolStatistics]

    @property
    def replica_share(self) -> float | None:
        """Share of reads that replicas answered; None before the first."""
        reads = self.replica_reads + self.writer_reads
        return self.replica_reads / reads if reads else None
