"""Clients that vanish, send halves or nonsense, or never read; and a clock that jumps. Everybody else is served as before."""

import asyncio
import json
import socket
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from scaleworthy.servers import Postgres, Valkey
from scaleworthy.switchboard.service import Switchboard
from waiting import until

from .running import Api, fill


@pytest.fixture(scope="module", params=["tuned", "day-one"])
def service(request: pytest.FixtureRequest, postgres: Postgres, valkey: Valkey) -> Iterator[Switchboard]:
    own = fill(postgres, f"faulty_{request.param.replace('-', '_')}")
    with Switchboard.start(shape=request.param, database=own.owner, cache=valkey.url) as running:
        yield running


def raw(service: Switchboard) -> socket.socket:
    host, port = service.url.removeprefix("http://").split(":")
    return socket.create_connection((host, int(port)), timeout=20)


def well(service: Switchboard) -> tuple[str, str, int]:
    """Return what health says of database and cache, and how leads are answered, once nothing is left behind that health would tell of."""
    with httpx.Client(base_url=f"{service.url}/api", timeout=20) as http:

        def serves() -> dict[str, Any] | None:
            health: dict[str, Any] = http.get("/health").json()
            # The servers of these tests have a database in which changes cannot be followed: that much health says from the beginning.
            return None if any("changes are not followed" not in reason for reason in health["reasons"]) else health

        health = asyncio.run(until(serves, "health has no reasons"))
        return health["database"], health["cache"], http.get("/leads?limit=1").status_code


SERVES = ("ok", "ok", 200)


HALVES = [
    b"GET /api/leads HT",
    b'POST /api/leads HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: 500\r\n\r\n{"name": "A',
    b"POST /api/files HTTP/1.1\r\nhost: a\r\ncontent-type: multipart/form-data; boundary=x\r\ncontent-length: 90000\r\n\r\n--x\r\n",
    b'POST /api/webhooks/stripe HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n5\r\n{"a"',
    b"GET /api/events HTTP/1.1\r\nhost: a\r\nupgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-version: 13\r\n",
]


def test_clients_that_vanish_in_half_a_request_cost_nobody_else_anything(service: Switchboard) -> None:
    before = httpx.get(f"{service.url}/api/leads/statistics", timeout=20).json()["total"]
    for _ in range(10):
        for half in HALVES:
            with raw(service) as client:
                client.sendall(half)

    assert well(service) == SERVES
    assert httpx.get(f"{service.url}/api/leads/statistics", timeout=20).json()["total"] == before


def test_a_client_that_leaves_in_the_middle_of_a_download_frees_what_it_held(service: Switchboard) -> None:
    body = bytes(6 * 1024 * 1024)
    file = httpx.post(f"{service.url}/api/files", files={"file": ("a.wav", body, "audio/wav")}, timeout=20).json()
    for _ in range(12):  # more than there are database connections
        with raw(service) as client:
            client.sendall(f"GET /api/files/{file['id']} HTTP/1.1\r\nhost: a\r\n\r\n".encode())
            assert client.recv(1000).startswith(b"HTTP/1.1 200")

    assert well(service) == SERVES
    assert httpx.get(f"{service.url}/api/files/{file['id']}", timeout=20).content == body


def test_a_client_that_asks_and_never_reads_blocks_itself_alone(service: Switchboard) -> None:
    with raw(service) as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.settimeout(1)
        try:
            for _ in range(400):
                client.sendall(b"GET /api/users HTTP/1.1\r\nhost: a\r\n\r\n" * 10)
        except TimeoutError:
            pass  # its requests wait in its own connection
        assert well(service) == SERVES, "while it does not read"
    assert well(service) == SERVES, "when it has left"


DEEP = b'{"name": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"
NONSENSE: list[tuple[str, str, bytes]] = [
    ("POST", "/api/leads", DEEP),
    ("POST", "/api/webhooks/stripe", b"[" * 100_000),
    ("POST", "/api/leads", b'{"name": "\xff\xfe"}'),
    ("POST", "/api/leads", b'{"name": "A", "score": 1e999}'),
    ("POST", "/api/calls/start", b'{"phone": ' + b"9" * 5000 + b"}"),
    ("GET", "/api/leads?status=%ff%fe", b""),
    ("GET", "/api/knowledge/search?q=%00", b""),
    ("GET", "/api/knowledge/search?q=%ff", b""),
    ("GET", "/api/leads/%ff", b""),
    ("GET", "/api/context?phone=%00", b""),
]


@pytest.mark.parametrize(
    ("method", "path", "body"), NONSENSE, ids=[f"{path} {body[:20]!r}" for _, path, body in NONSENSE]
)
def test_nonsense_is_refused_in_the_services_form(service: Switchboard, method: str, path: str, body: bytes) -> None:
    headers = {"content-type": "application/json", "stripe-signature": "test_signature"}

    answer = httpx.request(method, service.url + path, content=body, headers=headers, timeout=20)

    assert answer.status_code in (200, 400, 404, 422), answer.text
    if answer.status_code != 200:
        assert set(answer.json()) >= {"error", "message"}
        json.dumps(answer.json()).encode()


async def test_a_clock_that_jumps_makes_no_negative_time_and_stops_nothing(api: Api) -> None:
    call = (await api.post("/calls/start", json={"phone": "+1 555 0199"})).json()
    api.clock.advance(days=-1)
    ended = (await api.post("/calls/end", json={"call_id": call["id"]})).json()
    assert (ended["duration_s"], ended["ended_now"]) == (0, True)
    for jump in (400, -900, 36_500):
        api.clock.advance(days=jump)
        for path in ("/dashboard/metrics", "/analytics/dashboard", "/analytics/overview", "/leads?limit=2"):
            assert (await api.get(path)).status_code == 200
        assert (await api.post("/integrations/asana/tasks", json={"title": "A"})).status_code == 202
    api.data.rows("delete from tasks where title = 'A'")
