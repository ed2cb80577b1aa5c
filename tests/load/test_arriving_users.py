"""Users who arrive may finish what they began, be capped in number, and have a connection each."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from scaleworthy._native import NullServer
from scaleworthy.errors import InvalidInput
from scaleworthy.load import Summary, make_plan, start
from scaleworthy.load.reading import reading
from scaleworthy.series import MemoryStore

from .listening import listening


def ran(
    port: int,
    load: dict[str, Any],
    *,
    steps: list[dict[str, Any]] | None = None,
    text: list[str] | None = None,
    **more: Any,
) -> Summary:
    steps = steps or [{"get": "/first"}, {"think": "300ms"}, {"get": "/second"}]
    plan = make_plan(
        {"target": f"http://127.0.0.1:{port}", "scenarios": [{"name": "only", "steps": steps}], "load": load, **more}
    )
    with MemoryStore(run={}) as store:
        summary = start(plan, store).wait()
        if text is not None:
            text.append(reading(summary, store))
        return summary


def requests_of(server: NullServer, path: str) -> int:
    return server.requests_by_path.get(path, 0)


def test_who_began_before_the_end_runs_to_the_end_of_the_scenario(server: NullServer) -> None:
    load = {"rate": "100/s", "arrivals": "constant", "for": "200ms", "finish": True}

    summary = ran(server.port, load)

    assert (requests_of(server, "/first"), requests_of(server, "/second")) == (20, 20)
    assert (summary.planned, summary.answered) == (40, 40)


def test_otherwise_nobody_goes_on_after_the_end(server: NullServer) -> None:
    ran(server.port, {"rate": "100/s", "arrivals": "constant", "for": "200ms"})

    assert (requests_of(server, "/first"), requests_of(server, "/second")) == (20, 0)


@pytest.mark.parametrize("threads", [1, 2])
def test_arrivals_beyond_the_most_users_are_counted_and_not_sent(server: NullServer, threads: int) -> None:
    load = {"rate": "100/s", "arrivals": "constant", "for": "200ms", "users_max": 4, "finish": True}

    said: list[str] = []
    summary = ran(server.port, load, threads=threads, text=said)

    # They all think until the last has arrived.
    assert (requests_of(server, "/first"), requests_of(server, "/second")) == (4, 4)
    assert summary.not_started == 16
    assert summary.planned == summary.started + summary.not_started
    assert "they came while the plan's 4 users (users_max) were all busy" in said[0]


def test_the_most_users_are_counted_while_they_wait_for_a_connection_too() -> None:
    server = NullServer(service_time_ns=500_000_000)
    try:
        load = {"rate": "100/s", "arrivals": "constant", "for": "200ms", "users_max": 4, "finish": True}
        summary = ran(server.port, load, steps=[{"get": "/first"}], http={"connections_max": 2})
    finally:
        server.stop()

    assert (summary.answered, summary.not_started) == (4, 16)


def test_each_user_opens_a_connection_keeps_it_and_closes_it() -> None:
    steps = [{"get": "/a"}, {"get": "/b"}, {"get": "/c"}]
    with listening() as server:
        summary = ran(server.port, {"users": 2, "count": 10}, steps=steps, http={"connection_per_user": True})

    assert summary.answered == 30
    per_connection = Counter(asked.connection for asked in server.asked)
    assert list(per_connection.values()) == [3] * 10


def test_a_pool_serves_all_users() -> None:
    with listening() as server:
        ran(server.port, {"users": 2, "count": 10}, steps=[{"get": "/a"}])

    assert len({asked.connection for asked in server.asked}) == 2


def test_users_of_a_closed_load_have_neither() -> None:
    for more in ({"users_max": 3}, {"finish": True}):
        with pytest.raises(InvalidInput, match="need a rate"):
            make_plan(
                {
                    "target": "http://127.0.0.1:1",
                    "scenarios": [{"name": "x", "steps": [{"get": "/"}]}],
                    "load": {"users": 3, **more},
                }
            )
