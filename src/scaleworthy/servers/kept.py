"""Ask a keeper process (keeper.py) to run things, and hear what became of them."""

from __future__ import annotations

import contextlib
import json
import os
import select
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from scaleworthy.errors import ServerError
from scaleworthy.servers import keeper
from scaleworthy.servers.folders import Folders
from scaleworthy.servers.identity import Identity


@dataclass(frozen=True, slots=True)
class Command:
    """A program to run: its arguments, whom to run it as, where its output goes."""

    argv: Sequence[str]
    identity: Identity
    log: Path
    env: Mapping[str, str] = field(default_factory=dict)
    folder: Path = Path("/")

    def to_json(self) -> dict[str, Any]:
        """Return the form that keeper.py reads."""
        return {
            "argv": list(self.argv),
            "identity": self.identity.to_json(),
            "log": str(self.log),
            "env": dict(self.env),
            "folder": str(self.folder),
        }


class Kept:
    """One keeper process and the server it keeps. Safe to use from any thread, and to stop more than once."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        self._owner = os.getpid()
        self._lock = threading.RLock()
        self._buffer = b""
        self._exit: int | None = None
        self._stop_s = 60.0

    @classmethod
    def begin(cls, folders: Folders) -> Kept:
        """Start the keeper of *folders*, which it removes when it ends."""
        with (folders.main / "keeper.log").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-I", "-S", keeper.__file__],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                # A session of its own: Ctrl-C reaches the process that asked, which stops the server in its own order.
                start_new_session=True,
            )
        kept = cls(process)
        begin = {"parent": os.getpid(), "folders": [str(folder) for folder in folders.all()]}
        try:
            kept._ask({"begin": begin}, limit_s=30.0)
        except BaseException:
            kept.stop()
            raise
        return kept

    def can_be(self, identity: Identity) -> bool:
        """Can a process here take on *identity*?"""
        return bool(self._ask({"probe": identity.to_json()}, limit_s=10.0)["exit"] == 0)

    def run(self, command: Command, *, limit_s: float) -> int:
        """Run a program to its end; return its exit status."""
        return int(self._ask({"run": command.to_json()}, limit_s=limit_s)["exit"])

    def serve(self, command: Command, *, stop: Sequence[tuple[int, float]]) -> int:
        """Start the server; return its pid. *stop*: signals, each with the seconds it may take, in order."""
        self._exit = None
        self._stop_s = 70.0 + sum(seconds for _, seconds in stop)
        return int(self._ask({"serve": {**command.to_json(), "stop": list(stop)}}, limit_s=30.0)["pid"])

    def exit_status(self) -> int | None:
        """Return how the server ended, or None while it runs."""
        with self._lock:
            if self._exit is None and (reply := self._read(0.0)) is not None:
                self._exit = int(reply["exit"])
            return self._exit

    def stop(self) -> None:
        """End the server and its keeper, and remove the folder. Does nothing a second time, or in a forked child."""
        if os.getpid() != self._owner:
            return
        with self._lock:
            if self._process.returncode is not None:
                return
            assert self._process.stdin is not None
            assert self._process.stdout is not None
            with contextlib.suppress(BrokenPipeError):
                self._process.stdin.write(b'{"stop": true}\n')
                self._process.stdin.flush()
            with contextlib.suppress(BrokenPipeError):
                self._process.stdin.close()
            try:
                self._process.wait(self._stop_s)
            except subprocess.TimeoutExpired:
                # The server gets its death signal with this; what remains is swept by the next start.
                self._process.kill()
                self._process.wait()
            self._process.stdout.close()

    def _ask(self, request: dict[str, Any], *, limit_s: float) -> dict[str, Any]:
        with self._lock:
            assert self._process.stdin is not None
            try:
                self._process.stdin.write(json.dumps(request).encode() + b"\n")
                self._process.stdin.flush()
                reply = self._read(limit_s)
            except BrokenPipeError:
                reply = None
            if reply is None:
                raise ServerError(
                    f"the keeper of the server (pid {self._process.pid}) did not answer {next(iter(request))!r} within {limit_s:g} s",
                    hint="is the machine out of memory or processes? `dmesg | tail` tells",
                )
            return reply

    def _read(self, limit_s: float) -> dict[str, Any] | None:
        """Return the keeper's next line, or None when none came in time or its output ended."""
        assert self._process.stdout is not None
        fd = self._process.stdout.fileno()
        end = time.monotonic() + limit_s
        while b"\n" not in self._buffer:
            ready, _, _ = select.select([fd], [], [], max(0.0, end - time.monotonic()))
            data = os.read(fd, 65536) if ready else b""
            if not data:
                return None
            self._buffer += data
        line, self._buffer = self._buffer.split(b"\n", 1)
        reply: dict[str, Any] = json.loads(line)
        return reply
