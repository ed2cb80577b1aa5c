"""Loads and changes at random interleavings: what was read before a change is not shown once that change has been told."""

from __future__ import annotations

import asyncio
from itertools import count
from random import Random
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scaleworthy.runtime.cache import Cache, Policy, ValkeyLayer
from scaleworthy.runtime.lsn import reading
from scaleworthy.servers import Valkey

_RUNS = count()
KEYS = ("lead:1", "lead:2")


class Log:
    """A writer whose rows have versions, a replica that replays its log later, and a follower that tells it later still."""

    def __init__(self) -> None:
        self.changes: list[int] = []
        """Of each position, from 1, the key that changed."""
        self.replayed = 0
        self.told = 0

    def version(self, key: int, position: int) -> int:
        """Return the key's value as of *position*: the last one that changed it."""
        return max((at for at, changed in enumerate(self.changes[:position], 1) if changed == key), default=0)


class Load:
    """A load that has read, and hands over what it read when it is let."""

    def __init__(self, log: Log, key: int, *, from_replica: bool) -> None:
        self._log, self._key, self._from_replica = log, key, from_replica
        self.has_read = asyncio.Event()
        self.gate = asyncio.Event()

    async def __call__(self) -> int:
        position = self._log.replayed if self._from_replica else len(self._log.changes)
        read = self._log.version(self._key, position)
        noted = reading.get()
        assert noted is not None
        if self._from_replica:
            noted.note(position)
        self.has_read.set()
        await self.gate.wait()
        return read


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("change"), st.integers(0, 1)),
        st.tuples(st.just("replay"), st.integers(0, 2)),
        st.tuples(st.just("tell"), st.integers(1, 2)),
        st.tuples(st.just("begin"), st.integers(0, 7)),
        st.tuples(st.just("finish"), st.integers(0, 1)),
        st.tuples(st.just("ask"), st.integers(0, 3)),
    ),
    max_size=18,
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
        self.under_way: list[tuple[int, Load, asyncio.Task[Any]]] = []

    async def act(self, what: str, number: int) -> None:
        log = self.log
        if what == "change":
            log.changes.append(number)
        elif what == "replay":
            log.replayed = min(len(log.changes), log.replayed + number)
        elif what == "tell":
            await self.tell(min(len(log.changes), log.told + number))
        elif what == "begin":
            await self.begin(number & 1, process=number >> 1 & 1, from_replica=bool(number >> 2))
        elif what == "finish":
            await self.finish(number)
        else:
            await self.ask(number & 1, process=number >> 1)

    async def tell(self, position: int) -> None:
        """Tell what has changed up to *position* as one batch, as a follower does, and wait until it is heard."""
        if position == self.log.told:
            return
        changed = sorted({KEYS[key] for key in self.log.changes[self.log.told : position]})
        heard = self.caches[1].next_change()
        await self.caches[0].invalidate(keys=changed, position=position)
        await heard
        self.log.told = position

    async def begin(self, key: int, *, process: int, from_replica: bool) -> None:
        load = Load(self.log, key, from_replica=from_replica)
        waits = any(at == key and not task.done() for at, _, task in self.under_way)
        task = asyncio.create_task(self.caches[process].get_or_set(KEYS[key], load))
        self.under_way.append((key, load, task))
        if waits:
            # Another's load is waited for.
            load.gate.set()
            return
        has_read = asyncio.create_task(load.has_read.wait())
        await asyncio.wait([task, has_read], return_when=asyncio.FIRST_COMPLETED)
        has_read.cancel()

    async def finish(self, key: int) -> None:
        for at, load, _ in self.under_way:
            if at == key:
                load.gate.set()
        await asyncio.gather(*(task for at, _, task in self.under_way if at == key))
        for cache in self.caches:
            await cache.settle()

    async def ask(self, key: int, *, process: int) -> None:
        shown = await self.caches[process].get(KEYS[key])
        assert shown is None or shown >= self.log.version(key, self.log.told)

    async def end(self) -> None:
        for key in range(len(KEYS)):
            await self.finish(key)
        await self.tell(len(self.log.changes))
        for key in range(len(KEYS)):
            for process in range(2):
                await self.ask(key, process=process)


@settings(max_examples=120, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(STEPS)
def test_no_load_puts_back_what_has_changed(valkey: Valkey, steps: list[tuple[str, int]]) -> None:
    async def run() -> None:
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

    asyncio.run(run())
