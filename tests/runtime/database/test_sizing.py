"""Pools of a size that is reasoned: Erlang's formula against a computation of its own, and against chance."""

from __future__ import annotations

import heapq
import math
import random

import pytest

from runtime.database.conftest import as_service
from scaleworthy.errors import InvalidInput
from scaleworthy.runtime.database import (
    Database,
    PoolSizes,
    connections_needed,
    mean_wait_s,
    sizes_for,
    waiting_share,
)
from scaleworthy.runtime.database.sizing import Usage
from scaleworthy.servers import Postgres


def erlang_c(connections: int, at_work: float) -> float:
    """The textbook's sum, which overflows where ours does not."""
    top = at_work**connections / math.factorial(connections) * connections / (connections - at_work)
    return top / (sum(at_work**k / math.factorial(k) for k in range(connections)) + top)


@pytest.mark.parametrize(("connections", "at_work"), [(1, 0.3), (2, 1.5), (5, 4.9), (20, 12.0), (60, 50.0)])
def test_the_share_that_waits_is_erlangs(connections: int, at_work: float) -> None:
    assert waiting_share(connections, at_work) == pytest.approx(erlang_c(connections, at_work), rel=1e-9)


def test_with_one_connection_as_many_wait_as_it_is_busy() -> None:
    assert waiting_share(1, 0.25) == pytest.approx(0.25)
    # M/M/1: ρ / (1 - ρ) times the service time.
    assert mean_wait_s(1, 25.0, 0.01) == pytest.approx(0.25 / 0.75 * 0.01)
    assert waiting_share(4, 4.0) == 1.0
    assert mean_wait_s(4, 400.0, 0.01) == math.inf


def test_the_wait_is_that_of_a_queue_that_is_played() -> None:
    """300,000 arrivals by chance at 6 connections, 80 % at work."""
    chance = random.Random(5)
    free = [0.0] * 6
    at = waited = 0.0
    for _ in range(300_000):
        at += chance.expovariate(480.0)
        begin = max(at, heapq.heappop(free))
        waited += begin - at
        heapq.heappush(free, begin + chance.expovariate(100.0))
    assert waited / 300_000 == pytest.approx(mean_wait_s(6, 480.0, 0.01), rel=0.05)


@pytest.mark.parametrize(("per_s", "held_s"), [(10.0, 0.001), (500.0, 0.004), (2_000.0, 0.01), (50.0, 1.0)])
def test_as_few_connections_as_keep_waiting_rare(per_s: float, held_s: float) -> None:
    needed = connections_needed(per_s, held_s)
    assert waiting_share(needed, per_s * held_s) <= 0.05
    assert needed == 1 or waiting_share(needed - 1, per_s * held_s) > 0.05


def test_sizes_keep_their_bounds_and_what_the_machine_can_bear() -> None:
    # 8 at work on average over 4 processes: 2 each.
    assert sizes_for(2_000.0, 0.004, processes=4, cores=16, bounds=(2, 30)) == (2, connections_needed(500.0, 0.004))
    assert sizes_for(50_000.0, 0.004, processes=4, cores=8, bounds=(2, 30)) == (2, 8)
    assert sizes_for(50_000.0, 0.004, processes=1, cores=64, bounds=(2, 30)) == (2, 30)
    assert sizes_for(1.0, 0.001, processes=1, cores=4, bounds=(10, 30)) == (10, 10)


def test_too_little_measured_changes_nothing() -> None:
    clock = iter([0.0, 10.0, 20.0])
    usage = Usage(now=lambda: next(clock))
    for _ in range(99):
        usage.add(1.0)
    assert usage.size((3, 9), processes=1, cores=8, bounds=(1, 30)) == (3, 9)
    usage.add(1.0)
    # 100 uses in 20 s of 1 s each: 5 at work.
    assert usage.size((3, 9), processes=1, cores=8, bounds=(1, 30)) == (1, connections_needed(5.0, 1.0))


async def test_pools_are_fitted_to_what_was_measured(writer: Postgres) -> None:
    sizes = PoolSizes(write=(1, 30), acquire="5s")
    async with Database(as_service(writer), sizes=sizes) as database:
        for _ in range(120):
            await database.write("select 1", tenant=None)
        fitted = await database.fit(cores=4)
        assert fitted.write[0] == 1
        assert 1 <= fitted.write[1] < 10, "one at a time needs few"
        assert await database.fit(cores=4) == fitted, "nothing was measured since"
        assert await database.write("select 1 as one", tenant=None) == [{"one": 1}]


def test_defaults_and_refusals() -> None:
    sizes = PoolSizes()
    assert (sizes.write, sizes.read, sizes.acquire_s, sizes.idle_s) == ((10, 30), (5, 20), 60.0, 600.0)
    with pytest.raises(InvalidInput) as refused:
        PoolSizes(write=(0, 3), read=(4, 2), waiting=0)
    assert len(refused.value.problems) == 3
