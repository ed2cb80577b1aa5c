"""Servers of known behaviour in a process of their own, so that they share no thread, lock or memory with the generator."""

from __future__ import annotations

import json
import subprocess
import sys
from types import TracebackType
from typing import Any, Self

from scaleworthy._native import Histogram, NullServer
from scaleworthy.errors import ScaleworthyError


class Beside:
    """The process with the servers; ends them all when it is left."""

    def __init__(self) -> None:
        # A group of its own: the terminal's Ctrl-C is for the self-test, which ends this process.
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "scaleworthy.load.selftest.beside"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            process_group=0,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._process as process:
            process.kill()

    def open(self, **options: Any) -> str:
        """Return the URL of one more server, with `NullServer`'s options."""
        return f"http://127.0.0.1:{self._ask('open', options)['port']}"

    def counts(self, url: str) -> tuple[int, int]:
        """Return how many requests and WebSocket messages the server at *url* has had; it keeps its own count."""
        counted = self._ask("counts", {"port": _port(url)})
        return counted["requests"], counted["messages"]

    def gaps(self, url: str) -> Histogram:
        """Return the times between requests as the server at *url* read them."""
        return Histogram.from_bytes(bytes.fromhex(self._ask("gaps", {"port": _port(url)})["gaps"]))

    def close(self, url: str) -> None:
        """End the server at *url*."""
        self._ask("close", {"port": _port(url)})

    def _ask(self, what: str, options: dict[str, Any]) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(json.dumps([what, options]) + "\n")
            self._process.stdin.flush()
            answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        except (OSError, ValueError) as error:
            raise ScaleworthyError(
                f"the self-test's server process ended with status {self._process.poll()}",
                hint="what it wrote above says why",
            ) from error
        return answer


def serve() -> None:
    """Open, count and close servers as standard input says, a line each, until it ends."""
    servers: dict[int, NullServer] = {}
    for line in sys.stdin:
        what, options = json.loads(line)
        answer: dict[str, Any] = {}
        if what == "open":
            server = NullServer(**options)
            servers[server.port] = server
            answer = {"port": server.port}
        elif what == "counts":
            server = servers[options["port"]]
            answer = {"requests": server.requests, "messages": server.messages}
        elif what == "gaps":
            answer = {"gaps": servers[options["port"]].gaps.to_bytes().hex()}
        else:
            servers.pop(options["port"]).stop()
        print(json.dumps(answer), flush=True)


def _port(url: str) -> int:
    return int(url.rpartition(":")[2])


if __name__ == "__main__":
    serve()
