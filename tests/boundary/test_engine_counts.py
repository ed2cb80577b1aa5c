"""Whatever the shape of the load, the engine's counts are the server's own."""

from __future__ import annotations

import pytest
from engine_plans import MS, Added, S, carry_out, closed_load, get, open_load, plan, think

from scaleworthy._native import NullServer


def agrees(added: Added, server: NullServer) -> None:
    assert added.total("load.planned") == added.total("load.started") + added.total("load.not_started")
    answered_for = {"expect-status", "expect-body", "expect-header", "extract"}
    transport = sum(n for kind, n in added.errors().items() if kind not in answered_for)
    assert added.total("load.started") == added.total("load.answered") + transport
    assert added.total("load.failed") == sum(added.errors().values())
    assert server.requests == added.total("load.started")
    assert added.histograms["load.response_time"].count == added.total("load.answered")
    assert added.histograms["load.service_time"].count == added.total("load.answered")
    assert added.seconds == sorted(set(added.seconds))


@pytest.fixture
def server():
    server = NullServer()
    yield server
    server.stop()


@pytest.mark.parametrize("threads", [1, 2])
def test_a_constant_rate_sends_exactly_rate_times_time(server, threads):
    added = carry_out(plan(server.port, open_load(700, 0.3), threads=threads))

    assert added.total("load.answered") == 210
    agrees(added, server)


@pytest.mark.parametrize("threads", [1, 2])
def test_poisson_arrivals_are_as_many_as_the_seed_says(server, threads):
    once = carry_out(plan(server.port, open_load(1000, 0.3, "poisson"), threads=threads))
    agrees(once, server)
    twice = carry_out(plan(server.port, open_load(1000, 0.3, "poisson"), threads=threads))

    assert once.total("load.answered") == twice.total("load.answered")
    assert once.total("load.answered") not in (0, 300)


@pytest.mark.parametrize("threads", [1, 2])
def test_users_send_as_often_as_they_are_answered(server, threads):
    added = carry_out(plan(server.port, closed_load(7, 0.3), threads=threads))

    assert added.total("load.answered") > 100
    assert not added.errors()
    agrees(added, server)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize(
    "load", [closed_load(5, 30, count=501), open_load(5000, 30, count=501)], ids=["closed", "open"]
)
def test_a_count_ends_the_run_when_its_iterations_are_done(server, load, threads):
    added = carry_out(plan(server.port, load, get("/a", "first"), get("/b", "second"), threads=threads))

    assert server.requests_by_path == {"/a": 501, "/b": 501}
    assert added.total("load.answered", "first") == added.total("load.answered", "second") == 501
    assert len(added.seconds) <= 4
    agrees(added, server)


def test_iterations_of_a_count_run_to_their_end_however_long_they_think(server):
    """The stages are only as long as the starts may take; what was begun within them is not cut short by their end."""
    added = carry_out(plan(server.port, open_load(100, 0.2, count=5), get(), think(400 * MS), get(name="end")))

    assert added.total("load.answered", "end") == 5
    assert server.requests == 10


def test_scenarios_come_by_weight_and_the_same_for_the_same_seed(server):
    made = plan(server.port, open_load(5000, 0.4))
    made["scenarios"] = [
        {"name": "often", "weight": 30, "steps": [get("/often", "often")]},
        {"name": "seldom", "weight": 10, "steps": [get("/seldom", "seldom")]},
        {"name": "never", "weight": 0, "steps": [get("/never", "never")]},
    ]
    first = carry_out(made)
    often = first.total("load.answered", "often")

    assert abs(often - 1500) < 4 * (2000 * 0.75 * 0.25) ** 0.5
    assert first.total("load.answered", "seldom") == 2000 - often
    assert server.requests_by_path == {"/often": often, "/seldom": 2000 - often}
    assert carry_out(made).total("load.answered", "often") == often


def test_one_connection_too_few_leaves_starts_not_started():
    """1 connection at 50 ms serves 20/s; 100/s are planned for half a second."""
    server = NullServer(service_time_ns=50 * MS)
    added = carry_out(plan(server.port, open_load(100, 0.5), http__connections_max=1))
    server.stop()

    assert added.total("load.planned") == 50
    assert 8 <= added.total("load.answered") <= 11
    assert added.total("load.not_started") == 50 - added.total("load.answered")
    agrees(added, server)


def test_what_is_not_done_at_the_end_gets_the_grace_time_and_then_is_cut():
    server = NullServer(service_time_ns=300 * MS, servers=1)
    # Done at 300, 600 and 900 ms; cut at 500 + 250 ms.
    added = carry_out(plan(server.port, open_load(10, 0.5), grace_ns=250 * MS))
    server.stop()

    assert added.total("load.planned") == added.total("load.started") == 5
    assert added.total("load.answered") == 2
    assert added.errors() == {"cut": 3}
    assert "cut" in added.examples


def test_pauses_hold_users_back(server):
    """4 users with 100 ms between requests make at most 6 requests each in half a second, from 0 on."""
    added = carry_out(plan(server.port, closed_load(4, 0.5), get(), think(100 * MS)))

    assert 4 * 3 <= added.total("load.answered") <= 4 * 5
    agrees(added, server)


def test_the_first_pause_of_an_open_scenario_delays_its_plan(server):
    added = carry_out(plan(server.port, open_load(100, 0.5), think(50 * MS), get()))

    # The last 5 arrivals are still in their pause when the run ends.
    assert 44 <= added.total("load.answered") <= 46
    agrees(added, server)


def test_every_second_of_the_run_has_a_tick_with_its_gauges(server):
    added = carry_out(plan(server.port, closed_load(3, 2.2), get(), think(10 * MS)))

    assert added.seconds == list(range(added.seconds[0], added.seconds[0] + len(added.seconds)))
    assert len(added.seconds) in (3, 4)
    whole = slice(0, -1)
    assert set(added.gauges["load.users"][whole]) == {3.0}
    assert set(added.gauges["load.target"][whole]) == {3.0}
    assert added.gauges["load.in_flight"][-1] == 0
    assert 0 < added.counters["generator.cpu_seconds", ""] < 2


def test_a_rate_from_a_ramp_has_the_area_under_it(server):
    stages = [{"duration_ns": S // 2, "from": 0.0, "to": 800.0}, {"duration_ns": S // 4, "from": 800.0, "to": 800.0}]
    load = {"kind": "open", "arrivals": "constant", "stages": stages, "count": None}
    added = carry_out(plan(server.port, load, threads=2))

    assert added.total("load.planned") == 200 + 200
    agrees(added, server)
