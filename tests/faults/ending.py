"""Run the command line as a user does, and see how it ends: what it says, its status, what it leaves behind."""

from __future__ import annotations

import os
import selectors
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import psutil

from scaleworthy.servers import Patience

LIMIT_S = 60.0


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended."""

    status: int
    out: str
    err: str

    def says(self, *words: str) -> bool:
        """Is it one message for people, with all *words*, and no traceback?"""
        text = self.out + self.err
        return "Traceback" not in text and all(word in text for word in words)


def scaleworthy(*words: str, cwd: Path | None = None, env: Mapping[str, str] | None = None) -> Ended:
    """Run one command to its end."""
    done = subprocess.run(
        [sys.executable, "-m", "scaleworthy", *words],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        cwd=cwd,
        env={**os.environ, **(env or {})},
        timeout=LIMIT_S,
        check=False,
    )
    return Ended(done.returncode, done.stdout, done.stderr)


class Started:
    """A command that runs in a session of its own, as in a terminal of its own."""

    def __init__(self, *words: str, temporary: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "scaleworthy", *words],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env={**os.environ, "TMPDIR": str(temporary), "PYTHONUNBUFFERED": "1"},
        )
        self._said = b""
        self._tree: set[psutil.Process] = {psutil.Process(self._process.pid)}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.communicate()

    def until(self, seen: str | Callable[[], bool]) -> None:
        """Read on until it has said *seen*, or until *seen* is true."""
        deadline = time.monotonic() + LIMIT_S
        while not (seen.encode() in self._said if isinstance(seen, str) else seen()):
            assert self._read(0.05), f"ended before {seen!r}: {self._said.decode()}"
            assert time.monotonic() < deadline, f"never said {seen!r}: {self._said.decode()}"
        self._tree |= set(psutil.Process(self._process.pid).children(recursive=True))

    def signal(self, number: int) -> None:
        """Send *number* to all of its group, as a terminal does."""
        os.killpg(self._process.pid, number)

    def end(self) -> Ended:
        """Wait for its end, and for that of every process it had led to."""
        rest, _ = self._process.communicate(timeout=LIMIT_S)
        assert Patience(limit_s=LIMIT_S).until(lambda: not any(map(_lives, self._tree)))
        return Ended(self._process.returncode, (self._said + rest).decode(), "")

    def _read(self, patience_s: float) -> bool:
        """Take what it has said by now; False once it says no more."""
        assert self._process.stdout is not None
        with selectors.DefaultSelector() as selector:
            selector.register(self._process.stdout, selectors.EVENT_READ)
            if not selector.select(patience_s):
                return True
        got = os.read(self._process.stdout.fileno(), 65536)
        self._said += got
        return bool(got)


def _lives(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
