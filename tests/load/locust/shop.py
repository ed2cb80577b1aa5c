"""A real HTTP server that plays a shop, and remembers who asked it for what."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Asked:
    """One request as it arrived."""

    method: str
    path: str
    headers: dict[str, str]
    body: str


@dataclass
class Shop:
    """The server's address and all that was asked of it, in the order of arrival."""

    url: str = ""
    asked: list[Asked] = field(default_factory=list)

    def paths(self) -> list[str]:
        """Return methods and paths in the order of arrival."""
        return [f"{one.method} {one.path}" for one in self.asked]


ANSWERS: dict[str, tuple[int, Any]] = {
    "/login": (200, {"token": "t-1"}),
    "/orders": (201, {"id": 7}),
    "/state": (200, {"open": True}),
    "/gone": (404, {"error": "gone"}),
    "/broken": (500, {"error": "broken"}),
}


@contextlib.contextmanager
def open_shop() -> Iterator[Shop]:
    """Serve on a free port until the block ends."""
    shop = Shop()

    class Counter(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def _serve(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0))).decode()
            headers = {name.lower(): value for name, value in self.headers.items()}
            shop.asked.append(Asked(self.command, self.path, headers, body))
            route = self.path.partition("?")[0]
            if route == "/drop":
                self.close_connection = True
                return
            status, said = ANSWERS.get(route, (200, {"path": self.path}))
            content = json.dumps(said).encode()
            if route == "/moved":
                status = 302
            self.send_response(status)
            if route == "/moved":
                self.send_header("location", "/state")
            if route == "/login":
                self.send_header("set-cookie", "session=s-1; Path=/")
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(content)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = do_OPTIONS = _serve  # noqa: N815 - names that http.server looks for

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Counter) as server:
        shop.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield shop
        finally:
            server.shutdown()
            thread.join()
