"""HTTP/2 against other implementations: the h2 library, and nginx where it is installed."""

from __future__ import annotations

import gzip
import os
import shutil
import signal
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from h2.settings import SettingCodes

from load.http2_site import Answer, Asked, http2_site
from scaleworthy.errors import InvalidInput
from scaleworthy.load import Plan, make_plan, plan_for_url, run_load
from scaleworthy.series import MemoryStore


def plan(port: int, load: dict[str, Any], **http: Any) -> Plan:
    return plan_for_url(f"http://127.0.0.1:{port}/", load=load, http={"version": "2-prior-knowledge", **http}, seed=1)


def steps(port: int, *made: dict[str, Any], count: int = 1, users: int = 1) -> Plan:
    return make_plan(
        {
            "target": f"http://127.0.0.1:{port}",
            "http": {"version": "2-prior-knowledge", "timeout": "5s"},
            "scenarios": [{"name": "s", "steps": list(made)}],
            "load": {"users": users, "count": count},
            "seed": 1,
        }
    )


@pytest.mark.parametrize("load", [{"users": 12, "count": 300}, {"rate": "300/s", "for": "1s"}], ids=["closed", "open"])
def test_counts_agree_with_the_servers_own(load: dict[str, Any]) -> None:
    with http2_site() as site:
        summary = run_load(plan(site.port, load, streams_max=4), MemoryStore())

    assert summary["planned"] == summary["started"] == summary["answered"] == len(site.requests)
    assert summary["failed"] == summary["not_started"] == 0
    assert summary["statuses"] == {"200": len(site.requests)}
    asked = site.requests[0].headers
    assert (asked[":method"], asked[":scheme"], asked[":path"]) == ("GET", "http", "/")
    assert asked[":authority"] == f"127.0.0.1:{site.port}"
    assert "host" not in asked
    assert "connection" not in asked


def test_users_share_connections_by_streams_max() -> None:
    """12 users at 4 streams each are 3 connections, or 2 where no more may be."""
    with http2_site() as site:
        run_load(plan(site.port, {"users": 12, "count": 240}, streams_max=4), MemoryStore())
    assert site.connections == 3

    with http2_site() as site:
        summary = run_load(
            plan(site.port, {"users": 12, "count": 240}, streams_max=4, connections_max=2), MemoryStore()
        )
    assert site.connections == 2
    assert summary["answered"] == 240 == len(site.requests)


def test_the_servers_limit_on_streams_holds() -> None:
    """Without `connections_max` in the way, a server that takes 2 streams gets more connections, and refuses nothing."""
    settings = {SettingCodes.MAX_CONCURRENT_STREAMS: 2}
    with http2_site(settings=settings) as site:
        summary = run_load(plan(site.port, {"users": 2, "count": 20}), MemoryStore())
        assert (summary["answered"], summary["failed"], site.connections) == (20, 0, 1)


def test_without_keep_alive_every_request_has_its_connection() -> None:
    with http2_site() as site:
        summary = run_load(plan(site.port, {"users": 2, "count": 10}, keep_alive=False), MemoryStore())

    assert (summary["answered"], summary["failed"], site.connections) == (10, 0, 10)


def test_bodies_go_both_ways_whatever_the_windows() -> None:
    """An upload above the server's window and a download above ours arrive whole; trailers and 1xx are passed over."""
    down, up = "0123456789abcdef" * 600_000, "fedcba9876543210" * 20_000
    reply = Answer(
        body=down.encode(), headers=[("content-length", str(len(down)))], announced=True, trailers=[("checked", "yes")]
    )
    with http2_site(lambda asked: reply) as site:
        step = {"post": "/", "body": up, "expect": {"status": 200, "contains": [down]}}
        summary = run_load(steps(site.port, step, count=2), MemoryStore())

    assert (summary["answered"], summary["failed"]) == (2, 0)
    assert [bytes(asked.body).decode() for asked in site.requests] == [up, up]
    assert site.requests[0].headers["content-length"] == str(len(up))


def test_answers_are_read_as_with_http1() -> None:
    """HEAD, gzip, redirects, what is extracted and sent back: one scenario, no failure."""

    def answer(asked: Asked) -> Answer:
        match asked.headers[":path"]:
            case "/packed":
                body = gzip.compress(b'{"id": 17}')
                return Answer(headers=[("content-encoding", "gzip"), ("x-token", "abc")], body=body)
            case "/old":
                return Answer(303, [("location", "/new?a=b")], b"")
            case "/head":
                return Answer(headers=[("content-length", "5000")], body=b"")
            case _:
                return Answer(body=b"new")

    with http2_site(answer) as site:
        summary = run_load(
            steps(
                site.port,
                {"get": "/packed", "extract": {"id": {"json": "$.id"}, "token": {"header": "x-token"}}},
                {"head": "/head"},
                {
                    "post": "/old",
                    "json": {"id": "{{ id }}"},
                    "headers": {"X-Token": "{{ token }}"},
                    "expect": {"contains": "new"},
                },
                count=3,
            ),
            MemoryStore(),
        )

    assert (summary["answered"], summary["failed"]) == (9, 0)
    asked = [(one.headers[":method"], one.headers[":path"]) for one in site.requests[:4]]
    assert asked == [("GET", "/packed"), ("HEAD", "/head"), ("POST", "/old"), ("GET", "/new?a=b")]
    assert bytes(site.requests[2].body) in (b'{"id":"17"}', b'{"id": "17"}', b'{"id":17}', b'{"id": 17}')
    assert site.requests[3].headers["x-token"] == "abc"


def test_python_scenarios_speak_http2(tmp_path: Path) -> None:
    """Requests that scripts make share connections too, and leave at once: none waits for another's answer."""
    (tmp_path / "users.py").write_text(
        "from scaleworthy.load import User, scenario\n"
        "@scenario\n"
        "async def visit(user: User) -> None:\n"
        "    first = await user.get('/a')\n"
        "    first.expect(status=200)\n"
        "    await user.gather(user.post('/b', json={'n': 1}), user.get('/c'))\n"
    )
    with http2_site() as site:
        data = {
            "target": f"http://127.0.0.1:{site.port}",
            "http": {"version": "2-prior-knowledge", "streams_max": 4},
            "python": "users.py",
            "workers": 1,
            "load": {"users": 2, "count": 20},
            "seed": 1,
        }
        summary = run_load(make_plan(data, folder=tmp_path), MemoryStore())

    assert (summary["answered"], summary["failed"]) == (60, 0) == (len(site.requests), 0)
    assert site.connections == 1
    assert {bytes(asked.body) for asked in site.requests if asked.headers[":method"] == "POST"} == {b'{"n":1}'}
    assert summary["lag_ms"]["p50"] < 20


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("needs the openssl command to make a certificate")
    folder = tmp_path_factory.mktemp("tls")
    made = folder / "cert.pem", folder / "key.pem"
    command = f"req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=h2 -out {made[0]} -keyout {made[1]}"
    subprocess.run([openssl, *command.split()], check=True, capture_output=True)
    return made


def tls_context(certificate: tuple[Path, Path], *protocols: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    if protocols:
        context.set_alpn_protocols(list(protocols))
    return context


@pytest.mark.parametrize("version", ["2", "auto"])
def test_http2_is_agreed_on_over_tls(certificate: tuple[Path, Path], version: str) -> None:
    with http2_site(tls=tls_context(certificate, "h2", "http/1.1")) as site:
        made = plan_for_url(
            f"https://127.0.0.1:{site.port}/",
            load={"users": 8, "count": 100},
            http={"version": version, "insecure": True, "streams_max": 4},
            seed=1,
        )
        summary = run_load(made, MemoryStore())

    assert (summary["answered"], summary["failed"]) == (100, 0) == (len(site.requests), 0)
    assert site.connections == 2
    assert site.requests[0].headers[":scheme"] == "https"


class Hello(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("content-length", "5")
        self.end_headers()
        self.wfile.write(b"hello")

    def log_message(self, *_: Any) -> None:
        """Keep quiet."""


class Http1(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: Any) -> None:
        """A client that refuses the handshake is expected here."""


@pytest.fixture
def http1_over_tls(certificate: tuple[Path, Path]) -> Iterator[int]:
    """A server that speaks HTTP/1.1 alone, and says so in the handshake."""
    server = Http1(("127.0.0.1", 0), Hello)
    context = tls_context(certificate, "http/1.1")
    # The handshake belongs to the connection's own thread, or one client holds up all.
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server.server_port
    server.shutdown()
    server.server_close()
    thread.join()


def test_auto_falls_back_to_http1_and_2_does_not(http1_over_tls: int) -> None:
    summaries = {}
    stores = {version: MemoryStore() for version in ("auto", "2")}
    for version, store in stores.items():
        made = plan_for_url(
            f"https://127.0.0.1:{http1_over_tls}/",
            load={"users": 3, "count": 12},
            http={"version": version, "insecure": True},
            seed=1,
        )
        summaries[version] = run_load(made, store)

    assert (summaries["auto"]["answered"], summaries["auto"]["errors"]) == (12, {})
    assert (summaries["2"]["answered"], summaries["2"]["errors"]) == (0, {"tls": 12})
    examples = stores["2"].fact("load", "error_examples")
    assert isinstance(examples, dict)
    assert "HTTP/2" in examples["tls"]


@pytest.fixture
def nginx(tmp_path: Path) -> Iterator[tuple[int, Callable[[], list[str]]]]:
    """nginx with HTTP/2, which closes a connection after 50 requests; its port, and what ends it and returns its access log."""
    program = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")
    if program is None:
        pytest.skip("nginx is not installed; the same facts are held above against the h2 library")
    log, kinds = tmp_path / "access.log", ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        # nginx takes over a socket that listens already, as when it replaces itself: there is no moment to wait for.
        port, number = listener.getsockname()[1], listener.fileno()
        (tmp_path / "nginx.conf").write_text(
            f"daemon off; worker_processes 1; pid {tmp_path}/pid; error_log stderr error;\n"
            "events { worker_connections 256; }\n"
            f"http {{ {' '.join(f'{kind}_temp_path {tmp_path}/{kind};' for kind in kinds)}\n"
            f"log_format counted '$connection $server_protocol $status'; access_log {log} counted; keepalive_requests 50;\n"
            f"server {{ listen 127.0.0.1:{port} http2; location / {{ return 200 'hello'; }} }} }}\n"
        )
        process = subprocess.Popen(
            [program, "-p", str(tmp_path), "-c", str(tmp_path / "nginx.conf")],
            env={**os.environ, "NGINX": f"{number};"},
            pass_fds=[number],
        )

    def logged() -> list[str]:
        process.send_signal(signal.SIGQUIT)  # after what is under way, and its lines
        process.wait(10)
        return log.read_text().splitlines()

    try:
        yield port, logged
    finally:
        process.terminate()
        process.wait(10)


def test_nginx_counts_the_same_and_its_goodbyes_cost_nothing(nginx: tuple[int, Callable[[], list[str]]]) -> None:
    """nginx takes leave of a connection after 50 requests: what it has not read is sent again, and counted once by both."""
    port, logged = nginx
    made = plan(port, {"users": 40, "count": 2_000}, streams_max=10, connections_max=4)
    store = MemoryStore()
    summary = run_load(made, store)

    assert (summary["answered"], summary["failed"]) == (2_000, 0), store.fact("load", "error_examples")
    lines = [line.split() for line in logged()]
    assert [line[1:] for line in lines] == [["HTTP/2.0", "200"]] * 2_000
    assert len({line[0] for line in lines}) >= 40


@pytest.mark.parametrize(
    ("url", "version", "text"),
    [
        ("http://127.0.0.1:1/", "2", "for an http target say '2-prior-knowledge'"),
        ("https://127.0.0.1:1/", "2-prior-knowledge", "for https say '2'"),
        ("https://127.0.0.1:1/", "3", "http.version"),
    ],
)
def test_a_version_that_cannot_be_spoken_is_refused_before_the_start(url: str, version: str, text: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        plan_for_url(url, http={"version": version})
    assert text in refused.value.problems[0]

    with pytest.raises(InvalidInput) as refused:
        plan_for_url(url).changed(http={"version": version})
    assert text in refused.value.problems[0]
