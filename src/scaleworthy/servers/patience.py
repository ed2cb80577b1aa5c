"""How long to wait for a server, and how to look again: every wait here is bounded and takes its clock as data."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Patience:
    """Wait at most *limit_s* seconds, looking every *poll_s*."""

    limit_s: float = 60.0
    poll_s: float = 0.005
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep

    def until(self, condition: Callable[[], bool]) -> bool:
        """Return True as soon as *condition* holds, False when the limit is reached."""
        end = self.clock() + self.limit_s
        while not condition():
            if self.clock() >= end:
                return False
            self.sleep(self.poll_s)
        return True


def free_port() -> int:
    """Return a TCP port of 127.0.0.1 that is free now; whoever binds it first has it."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def port_is_free(port: int) -> bool:
    """Can *port* of 127.0.0.1 be listened on?"""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
            probe.listen(1)
        except OSError:
            return False
    return True


def last_lines(log: Path, count: int = 12) -> str:
    """Return the end of a server's log, indented, for an error message."""
    try:
        lines = log.read_text(errors="replace").splitlines()[-count:]
    except FileNotFoundError:
        lines = []
    return "\n".join(f"  {line}" for line in lines) or "  (its log is empty)"
