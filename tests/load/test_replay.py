"""Recorded arrivals: three forms of recording, the same arrivals; a run sends them when they came."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest

from scaleworthy.errors import InvalidInput
from scaleworthy.load import plan_for_url, run_load
from scaleworthy.load.replay import Arrival, read_recorded
from scaleworthy.load.route import route_of
from scaleworthy.series import MemoryStore

S = 10**9
ACCESS = """\
127.0.0.1 - ann [21/Nov/2026:10:00:01 +0000] "GET /leads/17?x=1 HTTP/1.1" 200 12 "-" "curl/8"
127.0.0.1 - - [21/Nov/2026:10:00:00 +0000] "GET /leads/3 HTTP/1.1" 200 12
127.0.0.1 - - [21/Nov/2026:12:00:01 +0200] "HEAD /health HTTP/1.1" 200 0
127.0.0.1 - - [21/Nov/2026:10:00:02 +0000] "POST /leads HTTP/1.1" 201 7
127.0.0.1 - - [21/Nov/2026:10:00:02 +0000] "\\x16\\x03" 400 0
"""
WANTED = (
    Arrival(0, "GET", "/leads/3"),
    Arrival(S, "GET", "/leads/17?x=1"),
    Arrival(S + S // 2, "HEAD", "/health"),
)


class Listener(BaseHTTPRequestHandler):
    """Answers everything, and keeps what it was asked for in the order in which it came."""

    protocol_version = "HTTP/1.1"
    asked: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        self.asked.append(self.path)
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    do_HEAD = do_GET  # noqa: N815 - the base class asks for this name

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def listener() -> Iterator[str]:
    Listener.asked.clear()
    with ThreadingHTTPServer(("127.0.0.1", 0), Listener) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def written(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text)
    return path


def test_an_access_log_gives_its_safe_requests_in_order_spread_over_each_second(tmp_path: Path) -> None:
    recorded = read_recorded(written(tmp_path, "access.log", ACCESS))

    assert recorded.arrivals == WANTED
    assert recorded.unsafe == 2
    assert recorded.has_requests


@pytest.mark.parametrize(
    "text",
    [
        "time,method,path\n100.0,GET,/leads/3\n101.5,HEAD,/health\n101.0,GET,/leads/17?x=1\n",
        "time_ms,request\n100000,GET /leads/3 HTTP/1.1\n101000,GET /leads/17?x=1 HTTP/2\n101500,HEAD /health HTTP/1.1\n",
        (
            '{"time": "2026-11-21T10:00:00Z", "path": "/leads/3"}\n'
            '{"time": "2026-11-21T10:00:01+00:00", "request": "GET http://old.host/leads/17?x=1 HTTP/1.1"}\n'
            '{"time": "2026-11-21T11:00:01.500+01:00", "request_method": "HEAD", "uri": "/health"}\n'
        ),
        (
            '{"ts": 1763719200, "path": "/leads/3"}\n{"ts": 1763719201000, "path": "/leads/17?x=1"}\n'
            '{"ts": 1763719201.5, "method": "HEAD", "path": "/health"}\n'
        ),
    ],
)
def test_csv_and_json_lines_give_the_same(tmp_path: Path, text: str) -> None:
    assert read_recorded(written(tmp_path, "recorded", text)).arrivals == WANTED


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is empty"),
        (ACCESS + "what is this\n", "access.log:6: not a line of an access log"),
        ('{"time": 1}\n{"time"\n', "access.log:2: not JSON"),
        ('{"when": 1}\n', "access.log:1: no time"),
        ('{"time": "tomorrow"}\n', "'tomorrow' is no time"),
        ("a,b\n1,2\n", "its heading names no time"),
        (
            '127.0.0.1 - - [21/Nov/2026:10:00:02 +0000] "POST /leads HTTP/1.1" 201 7\n',
            "no arrival that can be replayed",
        ),
    ],
)
def test_what_is_no_recording_is_refused_with_its_line(tmp_path: Path, text: str, said: str) -> None:
    path = written(tmp_path, "access.log", text)
    with pytest.raises(ValueError, match=said):
        read_recorded(path)
    with pytest.raises(InvalidInput, match=said):
        plan_for_url("http://127.0.0.1/", load={"replay": str(path)})


def test_a_missing_recording_is_named() -> None:
    with pytest.raises(InvalidInput, match=r"nothing.log' cannot be read: No such file"):
        plan_for_url("http://127.0.0.1/", load={"replay": "nothing.log"})


def test_a_run_sends_what_was_recorded_at_the_times_of_the_recording(listener: str, tmp_path: Path) -> None:
    log = written(tmp_path, "access.log", ACCESS)
    plan = plan_for_url(listener, load={"replay": str(log), "replay_speed": 10.0})
    store = MemoryStore()
    summary = run_load(plan, store)

    assert plan.load.to_native()["times_ns"] == [0, S // 10, S * 3 // 20]
    assert (summary["planned"], summary["answered"]) == (3, 3)
    assert {name: step["answered"] for name, step in summary["steps"].items()} == {
        "GET /leads/{id}": 2,
        "HEAD /health": 1,
    }
    assert Listener.asked == ["/leads/3", "/leads/17?x=1", "/health"]


def test_times_alone_go_with_a_plan_that_says_what_arrives(tmp_path: Path) -> None:
    times = written(tmp_path, "times.csv", "time\n5\n6\n8\n")
    native = plan_for_url("http://127.0.0.1/", load={"replay": str(times)}).load.to_native()

    assert native["times_ns"] == [0, S, 3 * S]
    assert "scenarios" not in native


@pytest.mark.parametrize(
    ("path", "route"),
    [
        ("/", "/"),
        ("/api/leads", "/api/leads"),
        ("/api/leads/8123?x=1", "/api/leads/{id}"),
        ("/a/0f8fad5b-d9cb-469f-a165-70867728950e/b", "/a/{id}/b"),
        ("/files/deadbeef01", "/files/{id}"),
        ("/v1/deadbeef", "/v1/deadbeef"),
        ("/search/ann%20lee", "/search/{id}"),
        ("/api/v2/customers-overview", "/api/v2/customers-overview"),
    ],
)
def test_a_route_leaves_out_what_tells_one_thing_from_another(path: str, route: str) -> None:
    assert route_of(path) == route
