"""Servers on real sockets that do what no server should."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from load.accepting import accepting

Behaviour = Callable[[socket.socket], None]


@contextmanager
def misbehaving(behaviour: Behaviour) -> Iterator[int]:
    """Give the port of a server that treats each connection as *behaviour* says; a connection that only knocks is let go."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve(connection: socket.socket) -> None:
        with connection:
            try:
                if connection.recv(65536):
                    behaviour(connection)
            except OSError:
                pass  # the client has gone away, as it should

    with accepting(listener, serve):
        yield listener.getsockname()[1]


def garbage(connection: socket.socket) -> None:
    connection.sendall(b"\x00\x01\x02 this is not HTTP \xff\xfe\r\n\r\n")


def closes_at_once(connection: socket.socket) -> None:
    del connection  # the caller closes it


def closes_within_the_body(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf")


def never_answers(connection: socket.socket) -> None:
    connection.recv(1)  # until the client has had enough


def gigabyte(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 1073741824\r\n\r\n")
    block = bytes(1 << 20)
    for _ in range(1024):
        connection.sendall(block)


def endless_headers(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\n")
    for number in range(1_000_000):
        connection.sendall(b"x-%d: %s\r\n" % (number, b"y" * 100))
