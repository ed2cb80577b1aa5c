"""A small HTTP/2 server on real sockets, on the h2 library: another implementation than ours judges what the engine sends."""

from __future__ import annotations

import contextlib
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived, Event, RequestReceived, StreamEnded, StreamReset, WindowUpdated
from h2.settings import SettingCodes

from load.accepting import accepting


@dataclass(slots=True)
class Asked:
    """A request as the server read it."""

    headers: dict[str, str]
    body: bytearray = field(default_factory=bytearray)


@dataclass(slots=True)
class Answer:
    """What to send back; `body` goes out as the client's windows allow."""

    status: int = 200
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b"ok"
    announced: bool = False
    trailers: list[tuple[str, str]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Reset:
    """Reset the stream with this code in place of an answer."""

    code: int


@dataclass(frozen=True, slots=True)
class Goodbye:
    """Take leave of the connection with this code in place of an answer, and close it."""

    code: int


Reply = Answer | Reset | Goodbye | None
"""What comes of a request; None: nothing, ever."""


@dataclass(slots=True)
class Site:
    """The server's port, and what it has seen; a connection that only knocks is not counted."""

    port: int = 0
    requests: list[Asked] = field(default_factory=list)
    connections: int = 0
    resets: list[int] = field(default_factory=list)


class _Served:
    def __init__(
        self,
        connection: socket.socket,
        site: Site,
        answer: Callable[[Asked], Reply],
        settings: dict[SettingCodes, int],
    ) -> None:
        self.socket, self.site, self.answer = connection, site, answer
        self.h2 = H2Connection(H2Configuration(client_side=False, header_encoding="utf-8"))
        self.asked: dict[int, Asked] = {}
        self.unsent: dict[int, tuple[bytes, Answer]] = {}
        self.h2.local_settings.update(settings)
        self.h2.initiate_connection()

    def run(self) -> None:
        self.flush()
        knocking = True
        while data := self.socket.recv(65536):
            self.site.connections += knocking
            knocking = False
            for event in self.h2.receive_data(data):
                self.on(event)
            for stream in list(self.unsent):
                self.send(stream)
            self.flush()

    def flush(self) -> None:
        if data := self.h2.data_to_send():
            self.socket.sendall(data)

    def on(self, event: Event) -> None:
        if isinstance(event, RequestReceived):
            assert event.stream_id is not None
            assert event.headers is not None
            self.asked[event.stream_id] = Asked({str(name): str(value) for name, value in event.headers})
        elif isinstance(event, DataReceived):
            assert event.stream_id is not None
            assert event.data is not None
            self.asked[event.stream_id].body += event.data
            self.h2.acknowledge_received_data(event.flow_controlled_length or 0, event.stream_id)
        elif isinstance(event, StreamEnded):
            assert event.stream_id is not None
            self.respond(event.stream_id)
        elif isinstance(event, StreamReset):
            self.site.resets.append(int(event.error_code or 0))
            if event.stream_id is not None:
                self.unsent.pop(event.stream_id, None)
                self.asked.pop(event.stream_id, None)
        elif isinstance(event, WindowUpdated):
            pass  # what waits is tried after every receive

    def respond(self, stream: int) -> None:
        asked = self.asked.pop(stream)
        self.site.requests.append(asked)
        answer = self.answer(asked)
        if answer is None:
            return  # never answered
        if isinstance(answer, Reset):
            self.h2.reset_stream(stream, answer.code)
            return
        if isinstance(answer, Goodbye):
            self.h2.close_connection(answer.code, b"that will do", last_stream_id=stream)
            self.flush()
            raise ConnectionAbortedError
        if answer.announced:
            self.h2.send_headers(stream, [(":status", "103"), ("link", "</a.css>")])
        self.h2.send_headers(
            stream,
            [(":status", str(answer.status)), *answer.headers],
            end_stream=not answer.body and not answer.trailers,
        )
        self.unsent[stream] = (answer.body, answer)
        self.send(stream)

    def send(self, stream: int) -> None:
        body, answer = self.unsent[stream]
        while body and (room := min(self.h2.local_flow_control_window(stream), self.h2.max_outbound_frame_size)) > 0:
            piece, body = body[:room], body[room:]
            self.h2.send_data(stream, piece, end_stream=not body and not answer.trailers)
        self.unsent[stream] = (body, answer)
        if not body:
            del self.unsent[stream]
            if answer.trailers:
                self.h2.send_headers(stream, answer.trailers, end_stream=True)


@contextmanager
def http2_site(
    answer: Callable[[Asked], Reply] = lambda asked: Answer(),
    *,
    tls: ssl.SSLContext | None = None,
    settings: dict[SettingCodes, int] | None = None,
) -> Iterator[Site]:
    """Serve HTTP/2 (over *tls*, or by prior knowledge) until the block ends."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=256)
    site = Site(port=listener.getsockname()[1])

    def serve(connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):  # the client has gone away
            secured = tls.wrap_socket(connection, server_side=True) if tls else connection
            with secured:
                _Served(secured, site, answer, settings or {}).run()

    with accepting(listener, serve):
        yield site
