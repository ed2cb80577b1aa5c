"""A running load follows what it is told: level, pause, stop, abort, and never without its last tick."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest
from engine_plans import MS, Added, closed_load, finish, get, open_load, plan, think

from scaleworthy._native import NullServer, Run
from scaleworthy.servers import Patience


@pytest.fixture
def server():
    server = NullServer()
    yield server
    server.stop()


def started(made) -> Run:
    run = Run(plan_json=json.dumps(made))
    run.start()
    return run


def rate_of(tick) -> float:
    return sum(value for name, _, _, _, value in tick.slices if name == "load.planned")


def gauge(tick, wanted: str) -> float:
    return sum(value for name, _, _, _, value in tick.slices if name == wanted)


def until(run: Run, added: Added, holds):
    """Take ticks until one is as wanted: what was told within a second shows in full in the next one at the latest."""
    for _ in range(3):
        tick = run.next_tick(timeout_s=5)
        added.add(tick)
        if holds(tick):
            return tick
    raise AssertionError("the level was not followed within 3 seconds")


def test_a_live_open_load_follows_its_level_from_zero_and_back(server):
    run = started(plan(server.port, open_load(0, 0.01), live=True))
    added = Added()
    run.set_level(per_s_or_users=400.0)
    whole = until(run, added, lambda tick: rate_of(tick) == 400)
    run.set_level(per_s_or_users=0.0)
    until(run, added, lambda tick: rate_of(tick) == 0)
    run.stop()
    added = finish(run, added)

    assert gauge(whole, "load.target") == 400.0
    assert added.total("load.planned") == added.total("load.answered") == server.requests
    # A level that takes over never plans a start in the past.
    assert added.histograms["load.lag"].max_ns < 500 * MS


def test_a_live_closed_load_gains_and_loses_users(server):
    run = started(plan(server.port, closed_load(0, 0.01), get(), think(5 * MS), live=True, threads=2))
    added = Added()
    for users in (5.0, 2.0, 0.0):
        run.set_level(per_s_or_users=users)
        until(run, added, lambda tick, wanted=users: gauge(tick, "load.users") == wanted)
    run.stop()
    finish(run, added)

    assert added.total("load.answered") == server.requests > 0


def test_a_plan_that_is_not_live_ends_when_its_stages_would_have(server):
    run = started(plan(server.port, open_load(10, 0.5)))
    run.set_level(per_s_or_users=1000.0)
    added = finish(run)

    assert 300 < added.total("load.answered") <= 501
    assert len(added.seconds) <= 2


def test_a_pause_plans_nothing_and_the_schedule_moves_on_by_it(server):
    run = started(plan(server.port, open_load(200, 0.5)))
    run.pause()
    added = Added()
    until(run, added, lambda tick: rate_of(tick) == 0)
    run.resume()
    added = finish(run, added)

    assert added.total("load.answered") == 100
    assert added.histograms["load.response_time"].max_ns < 500 * MS


def test_a_pause_parks_users_between_their_requests(server):
    run = started(plan(server.port, closed_load(3, 30), get(), think(MS)))
    run.pause()
    run.next_tick(timeout_s=5)
    before = server.requests
    run.next_tick(timeout_s=5)
    assert server.requests == before
    run.resume()
    added = Added()
    added.add(run.next_tick(timeout_s=5))
    run.stop()
    finish(run, added)

    assert server.requests > before


def test_stop_lets_what_is_in_flight_end():
    server = NullServer(service_time_ns=200 * MS)
    run = started(plan(server.port, closed_load(4, 60)))
    while run.in_flight() < 4:
        run.next_tick(timeout_s=0.01)
    run.stop()
    added = finish(run)
    server.stop()

    assert added.total("load.answered") == added.total("load.started") >= 4
    assert added.errors() == {}
    assert run.in_flight() == 0


def test_abort_cuts_what_is_in_flight():
    server = NullServer(service_time_ns=60_000 * MS)
    run = started(plan(server.port, closed_load(4, 60)))
    while run.in_flight() < 4:
        run.next_tick(timeout_s=0.01)
    run.abort()
    added = finish(run)
    server.stop()

    assert added.errors() == {"cut": 4}
    assert added.total("load.answered") == 0


def test_control_works_while_another_thread_waits_for_a_tick(server):
    run = started(plan(server.port, closed_load(1, 60), get(), think(10 * MS)))
    got = []
    waiting = threading.Thread(target=lambda: got.append(finish(run)))
    waiting.start()
    run.set_level(per_s_or_users=2.0)
    run.stop()
    waiting.join(timeout=20)

    assert got
    assert run.finished
    assert run.next_tick(timeout_s=1) is None


def test_what_comes_out_of_order_is_refused(server):
    run = Run(plan_json=json.dumps(plan(server.port, open_load(1, 0.1))))
    for ask in (run.pause, run.resume, run.stop, run.abort, lambda: run.next_tick(timeout_s=0)):
        with pytest.raises(RuntimeError, match="start"):
            ask()
    run.start()
    with pytest.raises(RuntimeError, match="started before"):
        run.start()
    for level in (-1.0, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="level"):
            run.set_level(per_s_or_users=level)
    with pytest.raises(ValueError, match="timeout_s"):
        run.next_tick(timeout_s=-1)
    finish(run)


def engine_threads() -> list[str]:
    names = [(task / "comm").read_text().strip() for task in Path("/proc/self/task").iterdir()]
    return [name for name in names if name.startswith("load-")]


def test_a_run_that_is_dropped_ends_its_threads(server):
    run = started(plan(server.port, closed_load(8, 600), threads=2))
    # A thread gives itself its name when it begins to run.
    assert Patience().until(lambda: sorted(engine_threads()) == ["load-0", "load-1"])
    del run

    assert engine_threads() == []
