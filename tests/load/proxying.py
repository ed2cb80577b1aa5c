"""A small real proxy: it hands requests on, opens tunnels, and remembers what it was asked."""

from __future__ import annotations

import contextlib
import select
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from load.accepting import accepting


@dataclass
class Proxy:
    """The proxy's port, and the heads of all that it was asked."""

    port: int
    heads: list[str] = field(default_factory=list)


@contextmanager
def proxying(*, login: str | None = None) -> Iterator[Proxy]:
    """Run a proxy; with *login* (a `proxy-authorization`) it refuses whoever does not bring it."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=64)
    proxy = Proxy(listener.getsockname()[1])

    def serve(client: socket.socket) -> None:
        with contextlib.suppress(OSError), client:
            while head := _head(client):
                proxy.heads.append(head)
                if login is not None and f"proxy-authorization: {login}\r\n" not in head:
                    client.sendall(b"HTTP/1.1 407 No\r\nproxy-authenticate: Basic\r\ncontent-length: 0\r\n\r\n")
                elif head.startswith("CONNECT "):
                    _tunnel(client, head.split()[1])
                    break
                else:
                    _hand_on(client, head)

    with accepting(listener, serve):
        yield proxy


def _head(client: socket.socket) -> str:
    got = b""
    while not got.endswith(b"\r\n\r\n"):
        piece = client.recv(1)
        if not piece:
            return ""
        got += piece
    return got.decode()


def _tunnel(client: socket.socket, place: str) -> None:
    host, _, port = place.rpartition(":")
    with socket.create_connection((host, int(port))) as origin:
        client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        other = {client: origin, origin: client}
        while True:
            for ready in select.select(list(other), [], [])[0]:
                piece = ready.recv(65536)
                if not piece:
                    return
                other[ready].sendall(piece)


def _hand_on(client: socket.socket, head: str) -> None:
    line, _, rest = head.partition("\r\n")
    method, url, version = line.split()
    place, _, path = url.removeprefix("http://").partition("/")
    host, _, port = place.rpartition(":")
    with socket.create_connection((host, int(port))) as origin:
        origin.sendall(f"{method} /{path} {version}\r\nconnection: close\r\n{rest}".encode())
        answer = b""
        while piece := origin.recv(65536):
            answer += piece
    client.sendall(answer)
