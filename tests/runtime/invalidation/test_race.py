"""Loads and changes at random interleavings: what was read before a change is not shown once that change has been told."""

from __future__ import annotations

import asyncio
from itertools import count
from random import Random
from typing import Any

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from scaleworthy.runtime.cache import Cache, Policy, ValkeyLayer
from scaleworthy.runtime.lsn import reading
from scaleworthy.servers import Valkey

_RUNS = count()
KEY, TAG = "lead:1", "leads"


class Log:
    """A writer whose rows have versions, a replica that replays its log later, and a follower that tells it later still."""

    def __init__(self) -> None:
        self.written = 0
        """The row's value is the position of the log at which it was written."""
        self.replayed = 0
        self.told = 0


class Load:
    """A load that has read, and hands over what it read when it is let."""

    def __init__(self, log: Log, *, from_replica: bool) -> None:
        self._log, self._from_replica = log, from_replica
        self.has_read = asyncio.Event()
        self.gate = asyncio.Event()

    async def __call__(self) -> int:
        read = self._log.replayed if self._from_replica else self._log.written
        noted = reading.get()
        assert noted is not None
        if self._from_replica:
            noted.note(read)
        self.has_read.set()
        await self.gate.wait()
        return read


# What, and of which process or how: a change of the row, its replay, its telling (by key or by tag), a load from the writer or the
# replica, the end of all loads, a look.
STEPS = st.lists(
    st.sampled_from(
        [
            *(("change", 0), ("replay", 0), ("tell", 0), ("tell", 1), ("finish", 0), ("ask", 0), ("ask", 1)),
            *(("load", process) for process in range(2)),
            *(("load from replica", process) for process in range(2)),
        ]
    ),
    min_size=4,
    max_size=16,
)


class Fleet:
    """Two processes with the same Valkey, of which the first follows the log."""

    def __init__(self, url: str) -> None:
        prefix = f"race{next(_RUNS)}:"
        policy = Policy(memory="10m", valkey="10m", early=0.0, jitter=0.0)
        self.caches = [
            Cache(
                valkey=ValkeyLayer(url, prefix=prefix, budget="5s"),
                classes={"default": policy},
                rng=Random(1),
            )
            for _ in range(2)
        ]
        self.log = Log()
        self.under_way: list[tuple[Load, asyncio.Task[Any]]] = []
        self.shown: list[tuple[int | None, int]] = []
        """What was shown to those who asked, and what had been told by then."""

    async def act(self, what: str, number: int) -> None:
        log = self.log
        if what == "change":
            log.written += 1
        elif what == "replay":
            log.replayed = log.written
        elif what == "tell":
            await self.tell(by_tag=bool(number))
        elif what == "finish":
            await self.finish()
        elif what == "ask":
            await self.ask(number)
        else:
            await self.begin(number, from_replica=what == "load from replica")

    async def tell(self, *, by_tag: bool) -> None:
        """Tell what has changed as one batch, as a follower does, and wait until it is heard."""
        if self.log.written == self.log.told:
            return
        position = self.log.written
        heard = self.caches[1].next_change()
        names: dict[str, Any] = {"tags": [TAG]} if by_tag else {"keys": [KEY]}
        # Asked at the same moment: whoever is half-way through looking keeps nothing old either.
        asked = (cache.get(KEY) for cache in self.caches)
        await asyncio.gather(self.caches[0].invalidate(**names, position=position), *asked)
        await heard
        self.log.told = position

    async def begin(self, process: int, *, from_replica: bool) -> None:
        load = Load(self.log, from_replica=from_replica)
        waits = any(not task.done() for _, task in self.under_way)
        task = asyncio.create_task(self.caches[process].get_or_set(KEY, load, tags=[TAG]))
        self.under_way.append((load, task))
        if waits:
            # Another's load is waited for.
            load.gate.set()
            return
        has_read = asyncio.create_task(load.has_read.wait())
        await asyncio.wait([task, has_read], return_when=asyncio.FIRST_COMPLETED)
        has_read.cancel()

    async def finish(self) -> None:
        for load, _ in self.under_way:
            load.gate.set()
        await asyncio.gather(*(task for _, task in self.under_way))
        for cache in self.caches:
            await cache.settle()

    async def ask(self, process: int) -> None:
        self.shown.append((await self.caches[process].get(KEY), self.log.told))

    async def end(self) -> None:
        await self.finish()
        await self.ask(0)
        await self.ask(1)
        await self.tell(by_tag=False)
        await self.ask(0)
        await self.ask(1)


@settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(STEPS)
@example([("load", 1), ("finish", 0), ("change", 0), ("tell", 0), ("ask", 0)])
def test_no_load_puts_back_what_has_changed(valkey: Valkey, steps: list[tuple[str, int]]) -> None:
    async def run() -> list[tuple[int | None, int]]:
        fleet = Fleet(valkey.url)
        for cache in fleet.caches:
            await cache.open()
            await cache.listening()
        try:
            for what, number in steps:
                await fleet.act(what, number)
            await fleet.end()
        finally:
            for cache in fleet.caches:
                await cache.close()
        return fleet.shown

    assert [(shown, told) for shown, told in asyncio.run(run()) if shown is not None and shown < told] == []
