"""A real HTTP server that says back what it was sent, and does what a path asks of it."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar
from urllib.parse import parse_qs, urlsplit


class Echo(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    heard: ClassVar[list[dict[str, Any]]]
    released: ClassVar[threading.Event]

    def answer(self) -> None:
        length = int(self.headers.get("content-length") or 0)
        body = self.rfile.read(length).decode("utf-8", "replace")
        asked = urlsplit(self.path)
        query = parse_qs(asked.query)
        heard = {
            "method": self.command,
            "path": asked.path,
            "query": query,
            "headers": {name.lower(): value for name, value in self.headers.items()},
            "body": body,
            "client": self.client_address,
        }
        self.heard.append(heard)
        if asked.path == "/held":
            self.released.wait(10)
        content = json.dumps(heard).encode()
        self.send_response(int(query.get("status", ["200"])[0]))
        self.send_header("Content-Type", "application/json; charset=utf-8")
        for cookie in query.get("cookie", []):
            self.send_header("Set-Cookie", cookie)
        for location in query.get("to", []):
            self.send_header("Location", location)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = answer  # noqa: N815 - http.server's names

    def log_message(self, *_: object) -> None:
        pass


@contextlib.contextmanager
def echo_server() -> Iterator[tuple[str, list[dict[str, Any]], threading.Event]]:
    """Yield its URL, what it has heard, and the event that lets requests to /held be answered."""
    heard: list[dict[str, Any]] = []
    released = threading.Event()
    handler = type("Handler", (Echo,), {"heard": heard, "released": released})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", heard, released
    finally:
        released.set()
        server.shutdown()
        thread.join()
        server.server_close()
