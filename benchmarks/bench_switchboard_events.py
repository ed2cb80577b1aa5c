"""How many event-stream sockets does Switchboard hold, and how long does one event take to reach all of them?

Switchboard in its tuned shape, two service processes, an outbox, a relay and Valkey, as it runs anywhere else. Sockets of one tenant are
opened, subscribe to `lead.created`, and are held; then leads are created by requests, one after the other. Timed from before the
request is sent until the last socket has the whole event: transaction, outbox, relay, stream, fan-out and reading included.

Read by one process with one epoll and nothing around it: the load engine times what a user does, and what is asked here is one moment
across all sockets. Server, database, Valkey and reader share the cores, so the reader's own time is in the figure. Where a process may
have fewer than 20,000 files open, the goal is measured with as many sockets as that allows.
"""

from __future__ import annotations

import base64
import os
import resource
import select
import socket
import statistics
import sys
import time
from urllib.parse import urlsplit

import httpx
import psutil

from rows import Row, arguments, row, show
from scaleworthy.switchboard.service import Switchboard

HELD = (5_000, 20_000)
EVENTS = 9
WORKERS = 2
WITHIN_S = 30.0
TOGETHER = 200
SPARE_FILES = 100
SUBSCRIBE = b'{"type":"subscribe","events":["lead.created"]}'
ASK = (
    "GET /api/events?key={key} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: {nonce}\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


class Sockets:
    """Many sockets of one tenant, read with one epoll."""

    def __init__(self, url: str, key: str) -> None:
        parts = urlsplit(url)
        self._address = (parts.hostname or "", parts.port or 0)
        nonce = base64.b64encode(os.urandom(16)).decode()
        self._ask = ASK.format(key=key, host=parts.netloc, nonce=nonce).encode()
        self._by_number: dict[int, socket.socket] = {}
        self._epoll = select.epoll()

    def __len__(self) -> int:
        return len(self._by_number)

    def open(self, many: int) -> None:
        """Open more until there are *many*, each subscribed."""
        while len(self._by_number) < many:
            fresh = [self._connected() for _ in range(min(TOGETHER, many - len(self._by_number)))]
            for each in fresh:
                each.sendall(self._ask)
            for each in fresh:
                _read_until(each, b"\r\n\r\n", b"101 Switching")
                each.sendall(bytes((0x81, 0x80 | len(SUBSCRIBE))) + b"\0\0\0\0" + SUBSCRIBE)
            for each in fresh:
                _read_until(each, b"}}", b"subscribed")
                each.setblocking(False)
                self._by_number[each.fileno()] = each
                self._epoll.register(each, select.EPOLLIN)

    def hear(self, mark: bytes) -> list[float]:
        """Return when each socket had the message that holds *mark*, monotonic seconds; those that had none are missing."""
        heard: list[float] = []
        waiting = set(self._by_number)
        deadline = time.monotonic() + WITHIN_S
        while waiting and time.monotonic() < deadline:
            for number, _ in self._epoll.poll(1.0, 1_024):
                data = self._by_number[number].recv(65_536)
                if not data:
                    self._epoll.unregister(number)
                    self._by_number.pop(number).close()
                    waiting.discard(number)
                elif data.startswith(b"\x89"):
                    # A ping, of four bytes; answered as any client's library does.
                    self._by_number[number].send(b"\x8a\x84\0\0\0\0" + data[2:6])
                if mark in data and number in waiting:
                    waiting.discard(number)
                    heard.append(time.monotonic())
        return heard

    def close(self) -> None:
        """Close all."""
        for each in self._by_number.values():
            each.close()
        self._epoll.close()

    def _connected(self) -> socket.socket:
        return socket.create_connection(self._address, timeout=WITHIN_S)


def _read_until(each: socket.socket, end: bytes, holds: bytes) -> None:
    said = b""
    while end not in said:
        more = each.recv(4_096)
        if not more:
            break
        said += more
    if holds not in said:
        raise RuntimeError(f"the service said {said[:200]!r}")


def measure(board: Switchboard, sockets: Sockets, events: int) -> tuple[list[float], list[float]]:
    """Return for each of *events* when the middle and the last socket had it, s after its request began."""
    middle, last = [], []
    with httpx.Client(base_url=board.url, headers={"x-tenant-key": board.tenants[1].key}, timeout=WITHIN_S) as client:
        client.get("/api/health")
        for number in range(events):
            name = f"told {number} of {len(sockets)}"
            began = time.monotonic()
            client.post("/api/leads", json={"name": name}).raise_for_status()
            heard = sockets.hear(name.encode())
            if len(heard) < len(sockets):
                raise RuntimeError(f"{len(sockets) - len(heard)} of {len(sockets)} sockets heard nothing")
            middle.append(heard[len(heard) // 2] - began)
            last.append(heard[-1] - began)
    return middle, last


def rows_of(held: tuple[int, ...], events: int) -> list[Row]:
    """Hold so many sockets, and tell all of them."""
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))
    held = tuple(min(many, files - SPARE_FILES) for many in held)
    rows = []
    with Switchboard.start(shape="tuned", size="small", workers=WORKERS) as board:
        services = [psutil.Process(pid) for pid in board.processes["http"]]
        empty = sum(service.memory_info().rss for service in services)
        sockets = Sockets(board.url, board.tenants[1].key)
        try:
            for many in held:
                began = time.monotonic()
                sockets.open(many)
                opened_s = time.monotonic() - began
                middle, last = measure(board, sockets, events)
                each = (sum(service.memory_info().rss for service in services) - empty) / many
                note = f"{events} events: {min(last):.3g} to {max(last):.3g}; the middle socket after {statistics.median(middle):.3g} s"
                rows.append(
                    row(f"{many:,} sockets: one event to all", "s", statistics.median(last), most=1.0, note=note)
                )
                rows.append(
                    row(
                        f"{many:,} sockets: memory of the service for each",
                        "KB",
                        each / 1e3,
                        note=f"opened in {opened_s:.0f} s",
                    )
                )
        finally:
            sockets.close()
    return rows


def main() -> int:
    """Measure and print."""
    options = arguments(__doc__).parse_args()
    rows = rows_of((1_000,), 3) if options.quick else rows_of(HELD, EVENTS)
    return show("switchboard_events", rows, options)


if __name__ == "__main__":
    sys.exit(main())
