"""The other service that tasks go to, played: a real HTTP server with limits and troubles of its own.

It answers `POST /tasks` as Asana's API does in form (`{"data": …}` in and out, 201; 429 with `retry-after` above its limit), and makes one
task for one `external` id, however often it is sent. `down` makes it answer 503, `delay_s` slowly, `limit_per_s` is its limit.
"""

from __future__ import annotations

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

_BODY_BYTES_MAX = 64 * 1024
_TASKS_MAX = 100_000


class AsanaStub:
    """The server, on a thread of its own. `with AsanaStub.start() as asana: asana.url`."""

    def __init__(self, server: ThreadingHTTPServer, limit_per_s: int) -> None:
        self._server = server
        self._lock = threading.Lock()
        self._second = (0, 0)
        self.limit_per_s = limit_per_s
        self.down = False
        self.delay_s = 0.0
        self.asked = 0
        self.tasks: dict[str, dict[str, Any]] = {}

    @classmethod
    def start(cls, *, limit_per_s: int = 25, port: int = 0) -> AsanaStub:
        """Return the server, answering on 127.0.0.1."""
        server = ThreadingHTTPServer(("127.0.0.1", port), _Handler)
        server.daemon_threads = True
        server.block_on_close = False
        stub = server.stub = cls(server, limit_per_s)  # type: ignore[attr-defined]  # what its handlers find it by
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return stub

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def take(self, task: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        """Return status and answer for a task that was sent."""
        with self._lock:
            self.asked += 1
            if self.down:
                return 503, _errors("the service is down")
            second = int(time.monotonic())
            count = self._second[1] + 1 if self._second[0] == second else 1
            self._second = (second, count)
            if count > self.limit_per_s:
                return 429, _errors("rate limit")
            if not isinstance(task.get("name"), str) or not task["name"]:
                return 400, _errors("name: missing")
            known = self.tasks.get(str(task.get("external")))
            if known is None:
                known = {"gid": str(1_200_000_000_000_000 + len(self.tasks)), "name": task["name"]}
                if len(self.tasks) < _TASKS_MAX:
                    self.tasks[str(task.get("external"))] = known
            return 201, {"data": known}

    def stop(self) -> None:
        """End it."""
        self._server.shutdown()
        self._server.server_close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 30

    def do_POST(self) -> None:
        stub: AsanaStub = self.server.stub  # type: ignore[attr-defined]  # set where the server is made
        length = int(self.headers.get("content-length") or 0)
        body = self.rfile.read(min(length, _BODY_BYTES_MAX))
        if stub.delay_s:
            time.sleep(stub.delay_s)
        try:
            task = json.loads(body)["data"]
            status, answer = stub.take(task) if self.path == "/tasks" else (404, _errors("no such path"))
        except (ValueError, TypeError, KeyError):
            status, answer = 400, _errors('the body is {"data": {…}}')
        content = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(content)))
        if status == 429:
            self.send_header("retry-after", "1")
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Say nothing: each request on standard error would be noise."""


def _errors(message: str) -> dict[str, Any]:
    return {"errors": [{"message": message}]}
