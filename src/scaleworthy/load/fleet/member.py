"""One worker process as the coordinator sees it: started, told what to do, listened to, ended."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections import deque
from typing import Any

from scaleworthy.load.engine import Tally
from scaleworthy.load.fleet.wire import MESSAGE, Frames, Message, SecondReader, WorkerSecond, message_frame, write_all


class Member:
    """A worker process, its pipes, and the seconds that it has told and nobody has taken yet.

    Attributes:
        seconds: In order; the coordinator takes them out.
        heard_at_s: When it was last heard of, on the coordinator's clock.
        ready: It has compiled its plan and waits for the start.
        over: It has told its last second.
        failed: What it said was wrong, or how it ended.
    """

    def __init__(self, number: int, threads: int, *, now_s: float) -> None:
        self.number = number
        self.threads = threads
        self.seconds: deque[WorkerSecond] = deque()
        self.examples: dict[str, str] = {}
        self.log_lines: list[str] = []
        self.log_count = 0
        self.log_taken = 0
        self.tally = Tally(number=number, threads=threads)
        self.heard_at_s = now_s
        self.in_flight = 0
        self.ready = False
        self.over = False
        self.failed: str | None = None
        self._said: Message = {}
        # A group of its own: the terminal's Ctrl-C is for the coordinator, which ends its workers in order.
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "scaleworthy.load.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            process_group=0,
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._inbox = self._process.stdin.fileno()
        self.fd = self._process.stdout.fileno()
        os.set_blocking(self.fd, False)
        self._frames = Frames(self.fd)
        self._reader = SecondReader()

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def gone(self) -> bool:
        """Whether nothing more will be heard of it."""
        return self._frames.ended or self.failed is not None

    def said(self, what: str) -> bool:
        """Return whether it has said this."""
        return what in self._said

    def heard(self, what: str) -> Any:
        """Return what it has said about this; None where it has said nothing."""
        return self._said.get(what)

    def order(self, message: Message) -> None:
        """Send what may be long, such as a plan; waits until the worker has taken it."""
        with contextlib.suppress(OSError):  # one that is gone is found when it is listened to
            os.set_blocking(self._inbox, True)
            write_all(self._inbox, message_frame(message))
            os.set_blocking(self._inbox, False)

    def tell(self, command: Message) -> None:
        """Send a command; one that cannot take it is gone, or has taken none for hundreds of commands."""
        with contextlib.suppress(OSError):
            # One write of less than PIPE_BUF is whole or nothing, also from a signal handler.
            os.write(self._inbox, message_frame(command))

    def listen(self, now_s: float) -> None:
        """Take in what it has said."""
        self.heard_at_s = now_s
        for kind, body in self._frames.read():
            if kind != MESSAGE:
                self._take(self._reader.second(body))
                continue
            match json.loads(body):
                case {"ready": _}:
                    self.ready = True
                case {"series": series}:
                    self._reader.name(series)
                case {"examples": examples}:
                    self.examples |= examples
                case {"log": [lines, count]}:
                    self.log_lines, self.log_count = lines, count
                case {"failed": text}:
                    self.failed = f"failed: {text}"
                case dict(said):
                    self._said |= said
        if self._frames.ended and self.failed is None and not self.over:
            self.failed = self._how_it_ended()

    def _take(self, second: WorkerSecond) -> None:
        self.seconds.append(second)
        self.tally.add(second.slices)
        self.in_flight = second.in_flight
        self.over = second.last

    def _how_it_ended(self) -> str:
        try:
            status = self._process.wait(timeout=1.0)
        except subprocess.TimeoutExpired:
            return "closed its pipe"
        if status < 0:
            with contextlib.suppress(ValueError):
                return f"was ended by {signal.Signals(-status).name}"
        return f"ended with exit status {status}"

    def end(self, within_s: float) -> None:
        """Let it go, or kill it where it is not gone within *within_s*; returns when it is no more."""
        self.tell({"exit": True})
        self._inbox = -1  # its number may soon be another file's
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()
        try:
            self._process.wait(timeout=within_s)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def kill(self) -> None:
        """End it at once."""
        self._process.kill()
