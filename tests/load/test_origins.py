"""Steps that name a whole URL go to another origin, which is permitted and seen to listen as the target is."""

from typing import Any

import pytest

from scaleworthy._native import NullServer
from scaleworthy.errors import InvalidInput, TargetError, UsageError
from scaleworthy.load import Plan, make_plan, run_load
from scaleworthy.load.lookup import Lookup
from scaleworthy.series import MemoryStore


def plan(target: str, *steps: dict[str, Any], **fields: Any) -> Plan:
    data = {"target": target, "scenarios": [{"name": "s", "steps": list(steps)}], "load": {"users": 2, "count": 6}}
    return make_plan({**data, "seed": 1, **fields})


def test_a_step_with_a_whole_url_goes_there(server: NullServer, url: str) -> None:
    other = NullServer()
    away = f"http://127.0.0.1:{other.port}/x?y=1"
    summary = run_load(plan(url, {"get": "/"}, {"get": away}, {"get": f"{url}again"}), MemoryStore())
    other.stop()

    assert summary["answered"] == 18
    assert (server.requests, other.requests) == (12, 6)
    assert set(summary["steps"]) == {"GET /", f"GET http://127.0.0.1:{other.port}/x", f"GET {url}again"}


def test_origins_are_numbered_in_the_order_in_which_they_are_named() -> None:
    made = plan(
        "http://127.0.0.1:1/base",
        {"get": "/a"},
        {"get": "http://127.0.0.1:3"},
        {"get": "http://127.0.0.1:1/b"},
        origins=["http://127.0.0.1:2"],
    )
    assert [origin.url for origin in made.other_origins] == ["http://127.0.0.1:2", "http://127.0.0.1:3"]

    native = made.to_native(addresses=["127.0.0.1"], others=[Lookup(("127.0.0.1",), None), Lookup(("127.0.0.2",), 5)])
    requests = [step["request"] for step in native["scenarios"][0]["steps"]]
    assert [(request.get("origin", 0), request["path"]) for request in requests] == [
        (0, "/base/a"),
        (2, "/"),
        (0, "/b"),
    ]
    assert native["origins"][1]["addresses"] == ["127.0.0.2"]
    assert native["origins"][1]["lookup_ns"] == 5


def test_a_template_in_the_origin_is_refused() -> None:
    with pytest.raises(InvalidInput) as caught:
        plan("http://127.0.0.1", {"get": "http://{{ host }}/x"}, variables={"host": "127.0.0.1"})

    (problem,) = caught.value.problems
    assert problem.startswith("scenarios[0].steps[0].get: scheme, host and port of a URL hold no template")


def test_an_origin_has_no_path_and_a_target_no_template() -> None:
    with pytest.raises(InvalidInput, match="without a path"):
        plan("http://127.0.0.1", {"get": "/"}, origins=["http://127.0.0.1:2/x"])


def test_every_origin_is_held_to_the_guard(url: str) -> None:
    with pytest.raises(UsageError, match=r"--i-own 192\.0\.2\.1"):
        run_load(plan(url, {"get": "/"}, {"get": "http://192.0.2.1/x"}), MemoryStore())


def test_an_origin_where_nothing_listens_is_named(url: str) -> None:
    other = NullServer()
    other.stop()
    with pytest.raises(TargetError, match=f"http://127.0.0.1:{other.port} cannot be reached"):
        run_load(plan(url, {"get": "/"}, {"get": f"http://127.0.0.1:{other.port}/"}), MemoryStore())


@pytest.mark.parametrize(("url", "origin"), [("ws://127.0.0.1:5/a", "http://127.0.0.1:5"), ("wss://h/a", "https://h")])
def test_a_websocket_is_opened_at_the_origin_of_its_url(url: str, origin: str) -> None:
    made = plan("http://127.0.0.1", {"websocket": url, "steps": [{"send": {"text": "x"}}]})
    assert [other.url for other in made.other_origins] == [origin]
