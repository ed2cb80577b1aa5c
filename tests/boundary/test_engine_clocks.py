"""Three clocks: a wait that the service causes shows from the plan on, whether or not anything was sent meanwhile."""

from __future__ import annotations

import pytest
from engine_plans import MS, carry_out, closed_load, get, open_load, plan

from scaleworthy._native import NullServer


@pytest.fixture(scope="module")
def stalled():
    """500/s over at most 4 connections for 2 s, with one stop of 200 ms: some 100 starts are planned within it."""
    server = NullServer(stall_every_ns=1000 * MS, stall_for_ns=200 * MS)
    added = carry_out(plan(server.port, open_load(500, 1.9), http__connections_max=4))
    server.stop()
    assert added.total("load.answered") == server.requests == 950
    return added


def test_a_stall_shows_in_the_response_time(stalled):
    """100 of 950 starts fall into the stop: a tenth of them wait, the 95th percentile about half of it."""
    assert stalled.histograms["load.response_time"].quantile(0.95) > 60 * MS
    assert stalled.histograms["load.response_time"].quantile(0.99) > 120 * MS


def test_the_same_stall_hides_from_the_service_time(stalled):
    """Only the 4 requests that were out at the time saw it: 0.4 %, beyond the 99th percentile."""
    assert stalled.histograms["load.service_time"].count_above(150 * MS) in range(1, 5)
    assert stalled.histograms["load.service_time"].quantile(0.99) < 60 * MS


def test_who_waited_for_a_connection_was_waiting_and_lagged(stalled):
    assert stalled.histograms["load.lag"].count_above(50 * MS) > 50
    assert stalled.total("load.not_started") == 0


def test_the_parts_of_the_service_time_add_up_to_it():
    server = NullServer(service_time_ns=20 * MS, body_bytes=300_000)
    added = carry_out(plan(server.port, open_load(50, 0.4)))
    server.stop()
    service = added.histograms["load.service_time"]
    parts = [added.histograms[f"load.phase {phase}"] for phase in ("send", "wait", "receive")]

    # On a busy machine the last of the 20 may come too late to be started.
    assert {part.count for part in parts} == {service.count}
    assert service.count >= 10
    assert sum(part.sum_ns for part in parts) == service.sum_ns
    assert service.min_ns >= 19 * MS
    # A thread that loses its core between its send and the clock counts some of the wait as sending.
    assert added.histograms["load.phase wait"].quantile(0.5) >= 19 * MS
    assert added.histograms["load.phase receive"].max_ns > 0
    assert added.histograms["load.phase connect"].count == added.gauges["load.connections"][-1]


def test_response_is_lag_plus_service():
    server = NullServer(service_time_ns=5 * MS, servers=1)
    added = carry_out(plan(server.port, open_load(300, 0.4), http__connections_max=2))
    server.stop()
    total = {name: added.histograms[f"load.{name}"].sum_ns for name in ("response_time", "service_time", "lag")}

    # What is still waiting at the end has no lag; what is cut has lag and no answer: here neither comes in.
    assert added.errors() == {}
    assert total["response_time"] == total["lag"] + total["service_time"]


def test_a_later_step_is_planned_when_the_one_before_is_done():
    """Two steps of 20 ms each: neither carries the other's time."""
    server = NullServer(service_time_ns=20 * MS)
    added = carry_out(plan(server.port, closed_load(3, 0.3), get("/a", "a"), get("/b", "b")))
    server.stop()

    assert added.histograms["load.response_time"].quantile(0.5) < 35 * MS
    assert added.histograms["load.lag"].quantile(0.5) < 5 * MS


def test_an_mm1_queue_has_the_response_time_of_the_formula():
    """Poisson at 100/s into one exponential server of 4 ms: ρ = 0.4, mean 4 / 0.6 = 6.7 ms (Kendall's M/M/1)."""
    server = NullServer(service_time_ns=4 * MS, service="exponential", servers=1, seed=7)
    added = carry_out(plan(server.port, open_load(100, 3, "poisson"), seed=11))
    server.stop()
    response = added.histograms["load.response_time"]

    # 300 correlated samples: the standard error is some 0.8 ms.
    assert 4.5 * MS < response.mean_ns < 10 * MS
