"""`engine: ws`: opened, talked on, closed; scripts that say so and ask over HTTP run over HTTP."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from tests.load.listening import listening
from websockets.sync.server import ServerConnection, serve
from websockets.typing import Subprotocol

from .scripts import compiled, flow, problems_of, ran


class Echo:
    """A WebSocket server that answers `{"n": …}` with its double and remembers everything."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.paths: list[str] = []
        self.offered: list[str | None] = []
        self.ended = threading.Semaphore(0)
        self._server = serve(self._talk, "127.0.0.1", 0, select_subprotocol=self._choose)
        self.url = f"http://127.0.0.1:{self._server.socket.getsockname()[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def _choose(self, _: ServerConnection, offered: Sequence[Subprotocol]) -> Subprotocol | None:
        return offered[0] if offered else None

    def _talk(self, connection: ServerConnection) -> None:
        assert connection.request is not None
        self.paths.append(connection.request.path)
        self.offered.append(connection.subprotocol)
        for message in connection:
            self.said.append(str(message))
            asked = json.loads(message) if str(message).startswith("{") else {}
            if "n" in asked:
                connection.send(json.dumps({"double": asked["n"] * 2, "id": "a1"}))
        self.ended.release()

    def stop(self) -> None:
        self._server.shutdown()
        self._thread.join(5)


@pytest.fixture
def echo() -> Iterator[Echo]:
    made = Echo()
    yield made
    made.stop()


def script(echo: Echo, steps: str, *, ws: str = "") -> str:
    config = (
        f"config:\n  target: {echo.url.replace('http', 'ws')}/talk\n  phases: [{{duration: 1, arrivalRate: 1}}]\n{ws}"
    )
    return flow(steps, config=config).replace("  - name: only\n", "  - name: only\n    engine: ws\n")


def run(folder: Path, echo: Echo, steps: str, *, ws: str = "", count: int = 1) -> None:
    path = f"{echo.url}/talk"
    assert ran(folder, script(echo, steps, ws=ws), path, count=count).failed == 0
    for _ in range(count):
        assert echo.ended.acquire(timeout=5), "a socket was not closed"


def test_a_flow_is_one_socket(tmp_path: Path, echo: Echo) -> None:
    run(tmp_path, echo, "- send: hello\n- think: 0.01\n- send: {type: subscribe, events: [calls]}", count=2)

    assert echo.paths == ["/talk", "/talk"]
    assert echo.said == ["hello", '{"type":"subscribe","events":["calls"]}'] * 2


def test_a_send_that_captures_waits_for_the_answer(tmp_path: Path, echo: Echo) -> None:
    steps = "- send: {payload: {n: 21}, capture: {json: $.id, as: id}, match: {json: $.double, value: 42}}\n- send: 'got {{ id }}'"
    run(tmp_path, echo, steps)

    assert echo.said == ['{"n":21}', "got a1"]


def test_loops_go_round_on_the_socket(tmp_path: Path, echo: Echo) -> None:
    turns = "- loop:\n    - send: 'turn {{ $loopCount }}'\n    - log: here\n  count: 3\n"
    run(tmp_path, echo, turns + "- loop:\n    - send: {at: '{{ $loopElement }}'}\n  over: [a, 2]")

    assert echo.said == ["turn 0", "turn 1", "turn 2", '{"at":"a"}', '{"at":2}']


def test_a_loop_goes_on_while_what_was_captured_says_so(tmp_path: Path, echo: Echo) -> None:
    ask = "- send: {payload: {n: '{{ $loopCount }}'}, capture: {json: $.double, as: double}}"
    run(tmp_path, echo, f"- loop:\n    {ask}\n  whileTrue: 'double < 6'")

    assert echo.said == ['{"n":0}', '{"n":1}', '{"n":2}', '{"n":3}']


def test_connect_says_where_and_the_config_what_is_offered(tmp_path: Path, echo: Echo) -> None:
    steps = "- connect: '{{ target }}/room?x=1'\n- send: hello"
    run(tmp_path, echo, steps, ws="  ws: {subprotocols: [json]}\n")

    assert echo.paths == ["/talk/room?x=1"]
    assert echo.offered == ["json"]


@pytest.mark.parametrize(
    ("steps", "problem"),
    [
        ("- connect: {function: f}\n- send: a", "JavaScript is not run"),
        ("- connect: ws://127.0.0.1:9/other\n- send: a", "must be a WebSocket of the target"),
        ("- send: a\n- connect: /b", "connect stands first"),
        ("- send: a\n- get: {url: /}", "unknown key"),
        ("- snd: a", "did you mean 'send'?"),
        ("- wait: {capture: {json: $.a, as: b}}", "waiting for a message alone is not run"),
    ],
)
def test_what_cannot_be_said_is_refused(tmp_path: Path, echo: Echo, steps: str, problem: str) -> None:
    assert any(problem in text for text in problems_of(tmp_path, script(echo, steps)))


def test_http_requests_under_engine_ws_run_over_http_with_a_warning(tmp_path: Path) -> None:
    text = flow("- get: {url: /a}").replace("  - name: only\n", "  - name: only\n    engine: ws\n")
    with listening() as server:
        ran(tmp_path, text, server.url)

    assert server.lines == ["GET /a"]
    assert compiled(tmp_path, text).notes == (
        "artillery.yml:5: engine: ws, but its steps are HTTP requests: it runs over HTTP",
    )


@pytest.mark.parametrize(
    ("engine", "said"),
    [
        ("socketio", "Socket.IO is not run"),
        ("playwright", "a browser is not driven"),
        ("grpc", "there are http and ws"),
    ],
)
def test_other_engines_are_refused(tmp_path: Path, engine: str, said: str) -> None:
    text = flow("- get: {url: /}").replace("  - name: only\n", f"  - name: only\n    engine: {engine}\n")

    [problem] = problems_of(tmp_path, text)
    assert problem.startswith("artillery.yml:6:5: scenarios[0].engine: ")
    assert said in problem
