"""A real server that remembers every request and answers with the JSON it was sent, or with the path."""

from __future__ import annotations

import gzip
import http.server
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Seen:
    """A request as the server read it; header names in lower case, the body unpacked."""

    line: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Echo:
    """The server's address, what it has seen, and the headers it sends with the answer to a path."""

    url: str = ""
    seen: list[Seen] = field(default_factory=list)
    answers: dict[str, list[tuple[str, str]]] = field(default_factory=dict)

    @property
    def lines(self) -> list[str]:
        return [request.line for request in self.seen]


def _handler(echo: Echo) -> type[http.server.BaseHTTPRequestHandler]:
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            if self.headers.get("content-encoding") == "gzip":
                body = gzip.decompress(body)
            headers = {name.lower(): value for name, value in self.headers.items()}
            echo.seen.append(Seen(f"{self.command} {self.path}", headers, body))
            is_json = headers.get("content-type") == "application/json"
            out = body if is_json else json.dumps({"path": self.path}).encode()
            self.send_response(200)
            for name, value in echo.answers.get(self.path, ()):
                self.send_header(name, value)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(out)))
            self.end_headers()
            self.wfile.write(out)

        do_GET = do_POST = do_PUT = answer  # noqa: N815 - names that http.server looks for

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
            """Say nothing."""

    return Handler


@contextmanager
def echoing() -> Iterator[Echo]:
    """Run the server on a port of its own."""
    echo = Echo()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _handler(echo))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    echo.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield echo
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)
