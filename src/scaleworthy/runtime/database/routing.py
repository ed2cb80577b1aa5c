"""Which server a read goes to: a replica that has seen what its caller has written, or the writer."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from typing import Literal

import psycopg

from scaleworthy.runtime.database.pool import Pool
from scaleworthy.runtime.database.replica import Replica
from scaleworthy.runtime.database.tenancy import Statement
from scaleworthy.runtime.ending import end
from scaleworthy.runtime.lsn import parse_lsn, session

Pick = Literal["least-busy", "round-robin"]
_WRITER_HEARTBEAT_S = 0.5
_WRITTEN = Statement("select pg_current_wal_lsn()::text as position")


def choose(ready: Sequence[Replica], pick: Pick, *, turn: int) -> Replica:
    """Return one of *ready*: each in turn, or one with the fewest at work (of those, each in turn)."""
    if len(ready) == 1:
        return ready[0]
    if pick == "round-robin":
        return ready[turn % len(ready)]
    fewest = min(replica.at_work for replica in ready)
    idle = [replica for replica in ready if replica.at_work == fewest]
    return idle[turn % len(idle)]


class Router:
    """Knows how far writer and replicas are. `start` before use, `stop` at the end.

    Args:
        replicas: There may be none.
        writer: Asked how far it is, so that a replica's lag is known when this process writes nothing.
        pick: Which of several that may answer.
        wait_s: How long a read waits for a replica to reach what its caller has written.
    """

    def __init__(self, replicas: Sequence[Replica], *, writer: Pool, pick: Pick, wait_s: float) -> None:
        self.replicas = list(replicas)
        self.writer_position = 0
        self._writer = writer
        self._pick: Pick = pick
        self._wait_s = wait_s
        self._turn = 0
        self._beat: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to watch, if there are replicas."""
        for replica in self.replicas:
            replica.start()
        if self.replicas and self._beat is None:
            self._beat = asyncio.create_task(self._follow_writer())

    async def stop(self) -> None:
        """End watching."""
        if self._beat is not None:
            await end(self._beat)
            self._beat = None
        for replica in self.replicas:
            await replica.stop()

    def written(self, position: int) -> None:
        """Take note that the caller has committed up to *position*."""
        self.writer_position = max(self.writer_position, position)
        caller = session.get()
        if caller is not None:
            caller.raise_to(position)

    async def replica_for_caller(self, counts: Counter[str]) -> Replica | None:
        """Return a replica that has seen what the caller has written, waited for if need be; None: none has."""
        serving = [replica for replica in self.replicas if replica.trouble is None]
        if not serving:
            return None
        caller = session.get()
        needed = caller.position if caller is not None else 0
        ready = [replica for replica in serving if replica.position >= needed]
        if not ready:
            counts["waited"] += 1
            nearest = max(serving, key=lambda replica: replica.position)
            if not await nearest.reach(needed, within_s=self._wait_s):
                counts["too_late"] += 1
                return None
            ready = [nearest]
        self._turn += 1
        return choose(ready, self._pick, turn=self._turn)

    async def _follow_writer(self) -> None:
        while True:
            try:
                rows = await self._writer.run([_WRITTEN], acquire_s=2)
                self.writer_position = max(self.writer_position, parse_lsn(rows[0][0]["position"]))
            except psycopg.Error:
                pass  # Its trouble is told by those who need it.
            await asyncio.sleep(_WRITER_HEARTBEAT_S)
