"""WebSockets from the plan file to the summary, against a real server; and what a plan may not say of them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from websockets.sync.server import ServerConnection

from load.talking import echo, talking
from scaleworthy._native import NullServer
from scaleworthy.errors import InvalidInput
from scaleworthy.load import make_plan, run_load, summarize, summary_text
from scaleworthy.series import MemoryStore


def plan_data(url: str, steps: list[dict[str, Any]], *, count: int = 5, **more: Any) -> dict[str, Any]:
    socket = {"websocket": "/live", "steps": steps} | more
    return {"target": url, "scenarios": [{"name": "main", "steps": [socket]}], "load": {"users": 2, "count": count}}


def test_a_plan_of_messages_is_carried_out_and_summed_up() -> None:
    steps: list[dict[str, Any]] = [
        {"send": {"json": {"type": "hello", "n": "{{ $n }}"}}},
        {
            "receive": {"json": {"$.type": "hello"}, "timeout": "2s"},
            "name": "hello",
            "expect": {"contains": "hello"},
            "extract": {"n": {"json": "$.n"}},
        },
        {"send": "again {{ n }}", "receive": {"contains": "again"}, "name": "again"},
        {"send": {"hex": "00ff"}, "name": "bytes"},
        {"receive": None},
        {"ping": True},
        {"send": "alone"},
        {"think": "1ms"},
    ]
    store = MemoryStore()
    with talking(echo) as url:
        summary = run_load(make_plan(plan_data(url, steps)), store)

    assert summary["failed"] == 0, summary["errors"]
    assert {name for name, step in summary["steps"].items() if step["planned"]} == {
        "WS /live", "hello", "again", "bytes", "WS /live ping",
    }  # fmt: skip
    assert summary["answered"] == 5 * 5
    part = summary["websocket"]
    assert (part["opened"], part["messages_sent"], part["closes"]) == (5, 20, {"1000": 5})
    # The answer to the last one may come after the closing began.
    assert 15 <= part["messages_received"] <= 20
    assert store.histogram("load.ws.round_trip").count == 15
    text = summary_text(summarize(store), store)
    assert "websockets    opened 5   sent 20" in text
    assert "ping ms       p50" in text


def test_an_open_load_is_arrivals_of_sockets() -> None:
    """100 sockets a second that stay for 300 ms: some 30 are open at once, and the gauge says so."""
    store = MemoryStore()
    data = plan_data("", [{"send": "a"}, {"receive": {}}, {"think": "300ms"}])
    data["load"] = {"rate": "100/s", "for": "2s", "arrivals": "constant"}
    with talking(echo) as url:
        summary = run_load(make_plan(data | {"target": url}), store)

    assert summary["websocket"]["opened"] == 200
    assert sum(summary["websocket"]["closes"].values()) == 200
    most = store.maximum("load.connections")
    assert most is not None
    assert 10 <= most <= 60


def test_counts_agree_with_the_servers_own(server: NullServer, url: str) -> None:
    texts = ["x" * size for size in (0, 125, 126, 65_535, 65_536)]
    steps = [{"send": text, "receive": {"matches": f"^x{{{min(len(text), 900)}}}"}, "name": "echo"} for text in texts]
    summary = run_load(make_plan(plan_data(url, steps, count=40)), MemoryStore())

    assert summary["failed"] == 0, summary["errors"]
    assert summary["steps"]["echo"]["answered"] == server.messages == 40 * len(texts)
    assert server.requests == summary["websocket"]["opened"] == 40


def test_headers_and_subprotocols_reach_the_server() -> None:
    seen: list[tuple[str | None, str | None]] = []

    def handler(connection: ServerConnection) -> None:
        request = connection.request
        assert request is not None
        seen.append((request.headers.get("authorization"), connection.subprotocol))
        echo(connection)

    steps: list[dict[str, Any]] = [{"send": "a"}, {"receive": {}}]
    data = plan_data("", steps, count=1, headers={"authorization": "Bearer t"}, subprotocols=["v9", "v2"])
    with talking(handler, subprotocols=["v2"]) as url:
        summary = run_load(make_plan(data | {"target": url}), MemoryStore())

    assert summary["failed"] == 0
    assert seen == [("Bearer t", "v2")]


def test_every_mistake_is_named_with_its_place() -> None:
    steps: list[Any] = [
        {"send": "a", "receive": {"timeout": 3}},
        {"extract": {"x": {"json": "$.x"}}, "send": "b"},
        {"send": {"json": 1, "text": "x"}},
        {"send": {"binary": "%%"}},
        {"send": "{{ nothing }}"},
        {"ping": False},
        {"recieve": {}},
    ]
    data = plan_data("http://127.0.0.1:1", steps, subprotocols=["a b"], close={"code": 1006})
    with pytest.raises(InvalidInput) as refused:
        make_plan(data)
    text = "\n".join(refused.value.problems)
    for wanted in (
        "steps[0].steps[0].receive.timeout: must be a duration",
        "steps[0].steps[1]: expect and extract look at a received message",
        "steps[0].steps[2].send: needs exactly one of text, json, binary, hex",
        "steps[0].steps[3].send.binary: must be base64",
        "steps[0].steps[5].ping: must be one of True",
        "steps[0].steps[6].recieve: unknown field; did you mean 'receive'?",
        "steps[0].subprotocols[0]: must be a token",
        "steps[0].close.code: must be a code that may be sent",
    ):
        assert wanted in text, f"{wanted}\nin\n{text}"

    with pytest.raises(InvalidInput, match=r"steps\[0\]\.steps\[0\]\.send: \{\{ nothing \}\} has no value"):
        make_plan(plan_data("http://127.0.0.1:1", [{"send": "{{ nothing }}"}]))


def test_what_is_said_stays_out_of_the_recording() -> None:
    steps = [{"send": "secret words"}, {"send": {"json": {"password": "p"}}}, {"receive": {}}]
    public = json.dumps(make_plan(plan_data("http://127.0.0.1:1", steps)).public())
    assert "secret words" not in public
    assert '"p"' not in public
