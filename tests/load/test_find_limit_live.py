"""The search on real engines: users who keep a connection each, and Python scenarios in worker processes."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from load.http2_site import http2_site
from scaleworthy._native import NullServer
from scaleworthy.errors import UsageError
from scaleworthy.load import Plan, SearchSettings, find_limit, make_plan
from scaleworthy.load.limit.calibrate import Sender, generator_capacity
from scaleworthy.load.limit.live import within_this_machine
from scaleworthy.series import MemoryStore

SHORT = replace(
    SearchSettings.quick(),
    warm_up_s=1,
    probe_least_s=1,
    bracket_s=1,
    start_level=4,
    level_max=4,
    confirm_s=0,
    longest_s=5,
)
SCENARIO = """
from scaleworthy.load import User, scenario


@scenario
async def look(user: User) -> None:
    answer = await user.get("/")
    answer.expect(status=200)
"""


@pytest.fixture
def server() -> Iterator[NullServer]:
    made = NullServer(service_time_ns=1_000_000, servers=8)
    yield made
    made.stop()


def plan_for(server: NullServer, **more: Any) -> Plan:
    steps = [{"get": "/"}, {"think": "200ms"}] * 8
    does = more or {"scenarios": [{"name": "hold", "steps": steps}]}
    return make_plan({"target": f"http://127.0.0.1:{server.port}/", "seed": 1, **does})


def test_every_user_keeps_a_connection_while_connections_are_counted(server: NullServer) -> None:
    limit = find_limit(
        plan_for(server),
        MemoryStore(),
        objectives=["failed < 1%"],
        unit="connections",
        settings=SHORT,
        generator_max_per_s=1e5,
    )
    assert limit.unit == "connections"
    assert limit.stopped_by == "max-level"
    assert limit.probes[0].connections_mean == 4
    assert not any("connections were open" in reason for reason in limit.reasons)


def test_python_scenarios_are_searched_like_any_plan(server: NullServer, tmp_path: Path) -> None:
    (tmp_path / "look.py").write_text(SCENARIO)
    store = MemoryStore()
    limit = find_limit(
        plan_for(server, python=str(tmp_path / "look.py")),
        store,
        objectives=["failed < 1%"],
        settings=replace(SHORT, start_level=50, level_max=50),
        generator_max_per_s=1e5,
    )
    assert limit.stopped_by == "max-level"
    assert 20 < limit.probes[0].requests_per_s < 100
    assert store.fact("load", "speed") == "python"
    assert all(worker["lost"] is None for worker in store.fact("load", "workers"))


def test_connections_are_bounded_by_what_this_machine_can_keep_open() -> None:
    most = within_this_machine(SearchSettings(), workers=1, addresses=1).level_max
    assert most is not None
    assert 100 <= most <= 65_536
    assert within_this_machine(SearchSettings(level_max=5), workers=1, addresses=1).level_max == 5
    with pytest.raises(UsageError, match="1 process may open"):
        within_this_machine(SearchSettings(start_level=1e6), workers=1, addresses=1)


def test_users_who_share_connections_have_no_limit_of_connections(server: NullServer) -> None:
    plan = plan_for(server).changed(http={"version": "2-prior-knowledge"})
    with pytest.raises(UsageError, match="with version 2-prior-knowledge users share connections"):
        find_limit(plan, MemoryStore(), objectives=["failed < 1%"], unit="connections")


def test_a_search_of_stages_alone_has_nothing_to_hold(server: NullServer) -> None:
    plan = plan_for(server).changed(objectives=[{"objective": "p95 < 1s", "stage": 1}])
    with pytest.raises(UsageError, match="a search has no stages"):
        find_limit(plan, MemoryStore())


def test_long_streams_are_searched_by_their_first_event(server: NullServer) -> None:
    """Streams of 2 s pile up by design; what is judged is the time to the first event."""
    ask = {"get": "/events?count=100&every_us=20000", "stream": "sse"}
    limit = find_limit(
        plan_for(server, scenarios=[{"name": "listen", "steps": [ask]}]),
        MemoryStore(),
        objectives=["p95(load.stream.first) < 500ms"],
        settings=replace(SHORT, start_level=30, level_max=30),
        generator_max_per_s=1e5,
    )
    assert limit.stopped_by == "max-level"
    assert limit.probes[0].ended_early is None
    assert limit.probes[0].margin > 0


def test_the_exchanges_of_a_websocket_count_beside_its_opening(server: NullServer) -> None:
    """A start opens a socket and exchanges three messages: four requests, of which three are round trips."""
    talk = [{"send": "hello", "receive": {}, "name": "echo"}] * 3
    store = MemoryStore()
    plan = plan_for(server, scenarios=[{"name": "talk", "steps": [{"websocket": "/live", "steps": talk}]}])
    assert plan.requests_per_start == 4
    limit = find_limit(
        plan,
        store,
        objectives=["p95(load.ws.round_trip) < 500ms"],
        settings=replace(SHORT, start_level=50, level_max=50),
        generator_max_per_s=1e5,
    )
    assert limit.stopped_by == "max-level"
    answered, trips = store.total("load.answered"), store.histogram("load.ws.round_trip").count
    assert trips == pytest.approx(answered * 3 / 4, abs=4)


def test_users_share_the_connections_of_http2() -> None:
    with http2_site() as site:
        plan = make_plan(
            {
                "target": f"http://127.0.0.1:{site.port}",
                "http": {"version": "2-prior-knowledge"},
                "scenarios": [{"name": "ask", "steps": [{"get": "/"}, {"think": "50ms"}]}],
            }
        )
        limit = find_limit(
            plan, MemoryStore(), objectives=["failed < 1%"], unit="users", settings=SHORT, generator_max_per_s=1e5
        )
    assert limit.stopped_by == "max-level"
    assert limit.probes[0].connections_mean == 1
    assert limit.probes[0].answered > 20


def test_several_workers_are_steered_together(server: NullServer) -> None:
    """Each has its share of the level: together they ask for all of it, and no more."""
    store = MemoryStore()
    limit = find_limit(
        plan_for(server).changed(workers=2, scenarios=[{"name": "ask", "steps": [{"get": "/"}]}]),
        store,
        objectives=["failed < 1%"],
        settings=replace(SHORT, start_level=400, level_max=400),
        generator_max_per_s=1e5,
    )
    assert len(store.fact("load", "workers")) == 2
    assert all(worker["lag_p99_ms"] is not None for worker in store.fact("load", "workers"))
    assert limit.probes[0].planned == pytest.approx(400, abs=90)


def test_the_generator_is_measured_in_the_way_that_the_plan_sends() -> None:
    """All worker processes at once; and only once."""
    python = Sender("python", workers=2)
    measured = generator_capacity(python)
    assert measured > 500
    assert generator_capacity(python) == measured
