"""What a scenario says beyond one request after the other arrives at a real server as it was said."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from load.echoing import Echo, echoing
from scaleworthy._native import NullServer
from scaleworthy.load import make_plan, run_load
from scaleworthy.series import MemoryStore


@pytest.fixture
def echo() -> Iterator[Echo]:
    with echoing() as server:
        yield server


def carried_out(echo: Echo, steps: list[dict[str, Any]], *, folder: Path | None = None, **more: Any) -> dict[str, Any]:
    """Run the steps once and return the summary."""
    fields: dict[str, Any] = {"load": {"users": 1, "count": 1}, "seed": 1} | more
    plan = make_plan({"target": echo.url, "scenarios": [{"name": "s", "steps": steps}], **fields}, folder=folder)
    return run_load(plan, MemoryStore())


def test_a_loop_is_done_so_often_or_for_each_item_or_while_something_holds(echo: Echo) -> None:
    steps = [
        {"loop": {"count": 2, "steps": [{"get": "/count/{{ $loop }}"}]}},
        {"loop": {"over": "{{ tenants }}", "as": "t", "steps": [{"get": "/over/{{ t.name }}/{{ $loopCount }}"}]}},
        {"set": {"page": 0}},
        {
            "loop": {
                "while": "{{ page }} < 20 and not {{ done }}",
                "count": 5,
                "steps": [
                    {
                        "post": "/while",
                        "json": {"page": "{{ $random(10, 20) }}"},
                        "extract": {"page": {"json": "$.page"}},
                    },
                    {"if": "{{ $loop }} == 1", "steps": [{"set": {"done": True}}]},
                ],
            }
        },
    ]
    summary = carried_out(echo, steps, variables={"tenants": [{"name": "a"}, {"name": "b"}]})

    assert summary["errors"] == {}
    assert echo.lines == [
        "GET /count/0",
        "GET /count/1",
        "GET /over/a/1",
        "GET /over/b/2",
        "POST /while",
        "POST /while",
    ]
    pages = [request.json["page"] for request in echo.seen[4:]]
    assert all(10 <= page <= 20 for page in pages)


def test_branches_are_under_way_together_and_their_values_stay(echo: Echo) -> None:
    branches = [[{"get": f"/p/{n}", "extract": {f"path{n}": {"json": "$.path"}}}] for n in range(3)]
    steps = [{"parallel": branches}, {"post": "/after", "json": ["{{ path0 }}", "{{ path1 }}", "{{ path2 }}"]}]

    assert carried_out(echo, steps)["answered"] == 4

    assert sorted(echo.lines[:3]) == ["GET /p/0", "GET /p/1", "GET /p/2"]
    assert echo.seen[3].json == ["/p/0", "/p/1", "/p/2"]


def test_a_value_alone_in_json_keeps_its_type(echo: Echo) -> None:
    body = {
        "n": "{{ n }}",
        "text": "n={{ n }}",
        "user": "{{ user }}",
        "name": "{{ user.name }}",
        "last": "{{ list[1] }}",
    }
    carried_out(echo, [{"post": "/", "json": body}], variables={"n": 3, "user": {"name": "Ann"}, "list": [1.5, None]})

    assert echo.seen[0].json == {"n": 3, "text": "n=3", "user": {"name": "Ann"}, "name": "Ann", "last": None}


def test_forms_queries_and_parts_are_encoded_for_their_place(echo: Echo, tmp_path: Path) -> None:
    (tmp_path / "a.bin").write_bytes(bytes(range(256)))
    steps: list[dict[str, Any]] = [
        {"post": "/form", "form": {"a": "x&{{ v }}", "b": [1, 2]}},
        {"get": "/q?z=1", "query": {"v": "{{ v }}", "w": "a b"}},
        {
            "post": "/m",
            "multipart": {"file": {"file": "a.bin"}, "v": "{{ v }}", "t": {"value": "1", "type": "text/csv"}},
        },
        {"post": "/gzip", "body": "{{ v }}" * 20, "compress": "gzip"},
    ]
    carried_out(echo, steps, folder=tmp_path, variables={"v": "é &"})

    assert echo.seen[0].body == b"a=x%26%C3%A9+%26&b=1&b=2"
    assert echo.lines[1] == "GET /q?z=1&v=%C3%A9%20%26&w=a+b"
    boundary = echo.seen[2].headers["content-type"].split("boundary=")[1].encode()
    parts = echo.seen[2].body.split(b"--" + boundary)
    assert [part.split(b"\r\n\r\n", 1)[1][:-2] for part in parts[1:-1]] == [bytes(range(256)), "é &".encode(), b"1"]
    assert b'name="file"; filename="a.bin"\r\ncontent-type: application/octet-stream' in parts[1]
    assert echo.seen[3].body == ("é &" * 20).encode()


def test_cookies_come_back_within_an_iteration_and_no_further(echo: Echo) -> None:
    echo.answers["/login"] = [("set-cookie", "sid=1; Path=/"), ("set-cookie", "deep=2; Path=/deep")]
    steps = [
        {"get": "/login"},
        {"get": "/a", "cookies": {"own": "{{ v }}"}},
        {"get": "/deep/b", "cookies": {"sid": "mine"}},
    ]
    carried_out(echo, steps, variables={"v": "x"}, load={"users": 1, "count": 2})

    sent = [request.headers.get("cookie") for request in echo.seen]
    assert sent == [None, "own=x; sid=1", "sid=mine; deep=2"] * 2

    echo.seen.clear()
    scenario = {"name": "s", "cookies": False, "steps": [{"get": "/login"}, {"get": "/a"}]}
    carried_out(echo, [], scenarios=[scenario])
    assert [request.headers.get("cookie") for request in echo.seen] == [None, None]


def test_who_sends_a_request_is_said_by_auth(echo: Echo) -> None:
    steps = [{"get": "/", "auth": {"basic": ["{{ user }}", "p:w"]}}, {"get": "/", "auth": {"bearer": "{{ user }}"}}]
    carried_out(echo, steps, variables={"user": "Ann"})

    assert [request.headers["authorization"] for request in echo.seen] == ["Basic QW5uOnA6dw==", "Bearer Ann"]


def test_an_answer_is_held_to_what_is_said_of_it(echo: Echo) -> None:
    body = {"n": 3, "list": [1, 2], "name": "Ann"}
    holds = {
        "status": "200-204",
        "json": {
            "$.n": {"above": 2, "at_most": 3, "not": 4, "one_of": [3, 4]},
            "$.list": {"length": 2},
            "$.name": {"contains": "{{ part }}", "matches": "^A"},
            "$.none": {"exists": False},
            "$.list[0]": 1.0,
        },
        "content_type": "json",
        "header": {"content-type": {"equals": "application/json"}},
        "within": "10s",
        "not": {"contains": "error", "status": "5xx"},
    }
    broken = [
        ("expect-body", {"json": {"$.n": {"above": 3}}}),
        ("expect-body", {"json": {"$.list": {"length": {"below": 2}}}}),
        ("expect-body", {"not": {"contains": "Ann"}}),
        ("expect-status", {"not": {"status": 200}}),
        ("expect-header", {"header": {"x-a": {"matches": "."}}}),
        ("expect-time", {"within": "1ns"}),
    ]
    steps = [{"post": "/", "name": str(at), "json": body, "expect": expect} for at, (_, expect) in enumerate(broken)]
    summary = carried_out(
        echo, [{"post": "/", "name": "holds", "json": body, "expect": holds}, *steps], variables={"part": "nn"}
    )

    assert summary["steps"]["holds"]["errors"] == {}
    assert [summary["steps"][str(at)]["errors"] for at in range(len(broken))] == [{kind: 1} for kind, _ in broken]


def test_what_is_missing_fails_the_request_unless_it_may_be(echo: Echo) -> None:
    steps = [
        {"get": "/a", "extract": {"x": {"json": "$.none", "strict": False}, "all": {"regex": "[a-z]+", "all": True}}},
        {"if": "not exists(x)", "steps": [{"post": "/b", "json": {"all": "{{ all }}"}}], "else": [{"get": "/c"}]},
        {"get": "/d", "extract": {"x": {"json": "$.none"}}},
        {"get": "/never"},
    ]
    summary = carried_out(echo, steps)

    assert echo.lines == ["GET /a", "POST /b", "GET /d"]
    assert echo.seen[1].json == {"all": ["path", "a"]}
    assert summary["errors"] == {"extract": 1}


def test_tags_are_labels_of_the_steps_series(echo: Echo) -> None:
    steps = [{"get": "/a", "name": "a", "tags": {"team": "crm"}}, {"get": "/b", "name": "a", "tags": {"team": "web"}}]
    store = MemoryStore()
    plan = make_plan(
        {"target": echo.url, "scenarios": [{"name": "s", "steps": steps}], "load": {"users": 1, "count": 3}, "seed": 1}
    )
    summary = run_load(plan, store)

    assert summary["steps"]["a"]["answered"] == 6
    assert store.histogram("load.response_time", labels={"team": "web"}).count == 3


def test_unique_rows_end_the_run_when_they_are_used_up(echo: Echo) -> None:
    feeder = {"rows": [{"id": n} for n in range(5)], "order": "unique"}
    summary = carried_out(
        echo, [{"post": "/", "json": "{{ id }}"}], feeders=[feeder], load={"users": 2, "for": "20s"}, threads=2
    )

    assert summary["answered"] == 5
    assert sorted(request.json for request in echo.seen) == [0, 1, 2, 3, 4]


def test_a_loop_with_a_pace_waits_for_each_pass_and_times_a_late_one_from_when_it_was_due() -> None:
    """Quick passes are spread out; slow ones begin at once, and wait from their plan on: pass 9 is due at 90 ms, answered at 250."""
    paced = {"every": "10ms", "count": 10, "steps": [{"get": "/"}]}
    seen = {}
    for name, service_ns in (("quick", 0), ("slow", 25_000_000)):
        server = NullServer(service_time_ns=service_ns)
        try:
            plan = make_plan(
                {
                    "target": f"http://127.0.0.1:{server.port}",
                    "scenarios": [{"name": "s", "steps": [{"loop": paced}]}],
                    "load": {"users": 1, "count": 1},
                }
            )
            seen[name] = run_load(plan, MemoryStore())
        finally:
            server.stop()

    assert seen["quick"]["answered"] == seen["slow"]["answered"] == 10
    assert seen["quick"]["seconds"] >= 0.09
    assert seen["slow"]["response_ms"]["max"] >= 10 * 25 - 9 * 10
