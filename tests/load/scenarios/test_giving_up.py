"""A request that its scenario gives up is over at every stage of its connection, and no other one is touched."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from textwrap import indent
from typing import Any

import pytest

from load.http2_site import Answer, Asked, http2_site
from load.scenarios.conftest import Server
from load.tls_site import Certificates, make_certificates
from scaleworthy.load import load_plan, run_load
from scaleworthy.series import MemoryStore

NO_TUNNEL = b"HTTP/1.1 503 No\r\ncontent-length: 0\r\n\r\n"
TUNNEL = b"HTTP/1.1 200 Yes\r\n\r\n"

GIVES_UP = """
import asyncio
try:
    async with asyncio.timeout(0.05):
        await user.get("/a")
except TimeoutError:
    pass
"""
"""The body of a scenario whose first request takes too long for it."""


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("certificates"))


def carried_out(folder: Path, settings: dict[str, Any], body: str) -> dict[str, Any]:
    """Carry out one iteration of one user."""
    path = folder / "scenario.py"
    path.write_text(
        f"from scaleworthy.load import Settings, scenario\nsettings = Settings(**{settings!r})\n"
        f"@scenario\nasync def page(user):\n{indent(body.strip(), '    ')}\n"
    )
    load = {"users": 1, "count": 1}
    return run_load(load_plan(path).changed(load=load, seed=1, workers=1), MemoryStore())


@contextmanager
def proxy(serve: Callable[[Callable[[], socket.socket]], None]) -> Iterator[int]:
    """Give *serve*, in a thread, a function that takes the next connection on which something is asked; yield the port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def asked() -> socket.socket:
            # Before a run somebody looks whether the proxy is there, and asks nothing.
            while not (connection := listener.accept()[0]).recv(4096):
                connection.close()
            return connection

        thread = threading.Thread(target=serve, args=(asked,))
        thread.start()
        yield listener.getsockname()[1]
        thread.join(10)


def through(port: int, **http: Any) -> dict[str, Any]:
    return {"target": f"https://127.0.0.1:{port}", "http": {"proxy": f"http://127.0.0.1:{port}", **http}}


def test_a_tunnel_that_nobody_waits_for_is_closed(tmp_path: Path) -> None:
    """Both are refused when only the second request waits: it alone hears of it."""

    def refuse_both(asked: Callable[[], socket.socket]) -> None:
        with asked() as first, asked() as second:
            with suppress(OSError):
                first.sendall(NO_TUNNEL)
            second.sendall(NO_TUNNEL)

    with proxy(refuse_both) as port:
        summary = carried_out(tmp_path, through(port), GIVES_UP + 'await user.get("/a")')

    assert summary["errors"] == {"cancelled": 1, "connect": 1}


def test_a_shared_connection_opens_without_who_wanted_it_first(tmp_path: Path) -> None:
    """The tunnel is there when the request is given up: HTTP/2's connection goes on to its handshake."""
    handshakes: list[bytes] = []

    def open_late(asked: Callable[[], socket.socket]) -> None:
        with asked() as tunnel, asked() as given_up:
            tunnel.sendall(TUNNEL)
            handshakes.append(tunnel.recv(1))
            given_up.sendall(b"!")

    with proxy(open_late) as port:
        tell = f"""
reader, writer = await asyncio.open_connection("127.0.0.1", {port})
writer.write(b"given up")
await reader.read()
writer.close()
"""
        summary = carried_out(tmp_path, through(port, version="2"), GIVES_UP + tell)

    assert summary["errors"] == {"cancelled": 1}
    assert handshakes == [b"\x16"]


def test_the_requests_of_a_shared_connection_outlive_another_one_of_who_opened_it(
    certificates: Certificates, echo: Server, tmp_path: Path
) -> None:
    """The first request opens HTTP/2's connection; giving up a later one, over HTTP/1.1, leaves what runs there alone."""

    def answer(asked: Asked) -> Answer | None:
        return None if asked.headers[":path"] == "/held" else Answer()

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates.server, certificates.server_key)
    context.set_alpn_protocols(["h2"])
    with http2_site(answer, tls=context) as site:
        settings = {
            "target": f"https://127.0.0.1:{site.port}",
            "http": {"version": "2", "tls": {"ca": certificates.ca}},
            "origins": [echo.url],
        }
        body = f"""
import asyncio
async def ask(path):
    await user.get(path)
await ask("/opens")
plain, shared = asyncio.create_task(ask("{echo.url}/held")), asyncio.create_task(ask("/held"))
await asyncio.wait([plain], timeout=0.05)
plain.cancel()
await asyncio.wait([plain])
await ask("/after")
assert not shared.done()
shared.cancel()
await asyncio.wait([shared])
"""
        summary = carried_out(tmp_path, settings, body)

    assert summary["errors"] == {"cancelled": 2}
    assert (summary["answered"], site.connections) == (2, 1)
