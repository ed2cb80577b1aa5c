"""Loops, conditions, variables and lines to log on a WebSocket, against a real server."""

from __future__ import annotations

import contextlib
import json
import threading
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.server import ServerConnection

from load.talking import echo, talking
from scaleworthy._native import NullServer
from scaleworthy.errors import InvalidInput
from scaleworthy.load import make_plan, run_load
from scaleworthy.load.socket_steps import native_steps
from scaleworthy.load.websocket import WebSocketStep
from scaleworthy.series import MemoryStore


def plan_data(url: str, steps: list[Any], **more: Any) -> dict[str, Any]:
    socket = {"websocket": "/live", "steps": steps} | more
    return {
        "target": url,
        "scenarios": [{"name": "main", "steps": [socket]}],
        "load": {"users": 1, "count": 1},
        "seed": 1,
    }


def heard_by_server(steps: list[Any]) -> tuple[list[str], dict[str, Any]]:
    """Carry the steps out once on an echo; return what was said, and the summary."""
    heard: list[str] = []
    left = threading.Event()

    def handler(connection: ServerConnection) -> None:
        try:
            for message in connection:
                assert isinstance(message, str)
                heard.append(message)
                # The user may have left already; what it said before is still to be heard.
                with contextlib.suppress(ConnectionClosed):
                    connection.send(message)
        finally:
            left.set()

    with talking(handler) as url:
        summary = run_load(make_plan(plan_data(url, steps)), MemoryStore())
        assert left.wait(20)
    return heard, dict(summary)


def test_loops_conditions_and_variables_decide_what_is_said() -> None:
    steps = [
        {"set": {"left": 2}},
        {
            "loop": {
                "over": ["a", "b", "c"],
                "as": "word",
                "steps": [
                    {"send": "{{ word }}{{ $loop }}"},
                    {
                        "receive": {"contains": "{{ word }}{{ $loop }}"},
                        "name": "word",
                        "extract": {"said": {"regex": "^."}},
                    },
                    {
                        "if": "{{ said }} == 'b'",
                        "steps": [{"send": "it was b"}],
                        "else": [{"loop": {"count": 2, "steps": [{"send": "{{ said }} is no b"}]}}],
                    },
                ],
            }
        },
        {"log": "left {{ left }}"},
        {"ping": True},
    ]
    heard, summary = heard_by_server(steps)

    assert heard == ["a0", "a is no b", "a is no b", "b1", "it was b", "c2", "c is no b", "c is no b"]
    assert summary["failed"] == 0, summary["errors"]
    assert summary["steps"]["word"]["answered"] == 3
    assert summary["websocket"]["closes"] == {"1000": 1}


def test_a_loop_ends_by_what_the_server_says() -> None:
    def counts_down(connection: ServerConnection) -> None:
        for left, _ in zip(range(4, -1, -1), connection, strict=False):
            connection.send(json.dumps({"left": left}))
        connection.recv()

    turn = {"send": "go", "receive": {}, "name": "go", "extract": {"left": {"json": "$.left"}}}
    with talking(counts_down) as url:
        plan = plan_data(url, [{"set": {"left": 9}}, {"loop": {"while": "{{ left }} > 0", "steps": [turn]}}])
        summary = run_load(make_plan(plan), MemoryStore())

    assert summary["failed"] == 0, summary["errors"]
    assert summary["steps"]["go"]["answered"] == 5


def test_many_passes_that_only_send_are_no_spinning(server: NullServer, url: str) -> None:
    """More steps without an answer than an iteration may take without doing anything."""
    summary = run_load(
        make_plan(plan_data(url, [{"loop": {"count": 60_000, "steps": [{"send": "x"}]}}])), MemoryStore()
    )

    assert summary["failed"] == 0, summary["errors"]
    assert server.messages == summary["websocket"]["messages_sent"] == 60_000


def test_with_reconnect_a_loop_goes_on_after_a_loss() -> None:
    def twice(connection: ServerConnection) -> None:
        for _ in range(2):
            connection.send(connection.recv())

    steps = [{"loop": {"count": 6, "steps": [{"send": "a", "receive": {}, "name": "a"}, {"think": "20ms"}]}}]
    with talking(twice) as url:
        summary = run_load(make_plan(plan_data(url, steps, reconnect=True)), MemoryStore())

    assert (summary["failed"], summary["steps"]["a"]["answered"]) == (0, 6), summary["errors"]
    assert summary["websocket"]["opened"] == 3


def test_messages_in_a_loop_are_kept_for_the_step_that_asks_for_them() -> None:
    """Four are under way at once: each receive takes the oldest that has come."""
    steps: list[Any] = [{"send": f"first {number}"} for number in range(4)]
    turn = [{"receive": {"contains": "first"}, "name": "next", "extract": {"text": {"regex": ".*"}}}]
    loop = {"loop": {"count": 4, "steps": [*turn, {"send": "then {{ text }}"}]}}
    heard, summary = heard_by_server([*steps, loop, {"receive": {"contains": "then first 3"}}])

    assert summary["failed"] == 0, summary["errors"]
    assert heard[4:] == [f"then first {number}" for number in range(4)]


def test_a_send_and_the_receive_behind_it_are_one_exchange_also_in_a_loop() -> None:
    step = WebSocketStep.model_validate(
        {"websocket": "/live", "steps": [{"loop": {"count": 2, "steps": [{"send": "a"}, {"receive": None}]}}]}
    )
    (loop,) = native_steps(step.steps, step.label, "")
    (message,) = loop["loop"]["steps"]
    assert message["message"]["name"] == "WS /live message 2"
    assert (message["message"]["send"], step.requests) == ({"text": "a"}, 3)


def test_every_mistake_is_named_with_its_place() -> None:
    steps = [
        {"loop": {"steps": [{"send": "a"}]}},
        {"loop": {"count": 1, "steps": [{"send": "{{ nothing }}"}]}},
        {"if": "{{ x", "steps": [{"send": "a"}]},
        {"parallel": [[{"send": "a"}]]},
    ]
    with pytest.raises(InvalidInput) as refused:
        make_plan(plan_data("http://127.0.0.1:1", steps))
    text = "\n".join(refused.value.problems)
    assert "steps[0].steps[0].loop: needs a bound: count, for, over, or while" in text
    assert "steps[0].steps[2].if: " in text
    assert "steps[0].steps[3].parallel: unknown field" in text

    with pytest.raises(InvalidInput, match=r"steps\[0\]\.steps\[0\]\.loop\.steps\[0\]\.send: \{\{ nothing \}\} has no"):
        make_plan(plan_data("http://127.0.0.1:1", [steps[1]]))


def test_the_echo_of_a_loop_for_a_time_ends_with_it() -> None:
    steps = [{"loop": {"for": "200ms", "steps": [{"send": "a", "receive": {}, "name": "a"}]}}]
    with talking(echo) as url:
        summary = run_load(make_plan(plan_data(url, steps)), MemoryStore())
    assert summary["failed"] == 0
    assert summary["websocket"]["closes"] == {"1000": 1}
    assert summary["steps"]["a"]["answered"] >= 2
