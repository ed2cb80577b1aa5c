"""The processes that serve HTTP: started on one listening socket, replaced without closing it, stopped."""

from __future__ import annotations

import errno
import selectors
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from types import TracebackType
from typing import IO, Self

from scaleworthy.errors import ServerError, UsageError
from scaleworthy.switchboard.settings import Settings

HOST = "127.0.0.1"
_BACKLOG = 1024
_START_S = 30.0
_STOP_S = 8.0


class HttpProcesses:
    """Some service processes on one port of 127.0.0.1.

    The socket belongs to this process: while no service process runs, new connections wait in its backlog. A process that ends answers
    what it has, and asks its clients to come anew.
    """

    def __init__(self, listening: socket.socket, workers: int) -> None:
        self._listening = listening
        self._workers = workers
        self._running: list[Child] = []
        # Where they ask each other what they count.
        self._figures = tempfile.TemporaryDirectory(prefix="switchboard-")

    @classmethod
    def bind(cls, *, port: int, workers: int) -> HttpProcesses:
        """Take *port* (0: a free one).

        Raises:
            UsageError: The port is in use, or may not be taken.
        """
        return cls(listen(port), workers)

    @property
    def url(self) -> str:
        """Where the service answers."""
        return f"http://{HOST}:{self._listening.getsockname()[1]}"

    @property
    def pids(self) -> list[int]:
        """The processes' ids."""
        return [worker.pid for worker in self._running]

    def serve(self, settings: Settings) -> None:
        """Start the processes with *settings*, in place of those that run; return when they serve.

        Raises:
            ServerError: One does not start; the text ends with what it said.
        """
        self._stop_running()
        folder = self._figures.name if self._workers > 1 else None
        for number in range(self._workers):
            one = replace(settings, process=number, processes=self._workers, figures=folder)
            self._running.append(Child("scaleworthy.switchboard.worker", self._listening, one.to_json()))
        for worker in self._running:
            worker.wait_ready()

    def first_ended(self) -> str | None:
        """Return what the first process that ended by itself said, or None: all run."""
        return next((worker.last_words() for worker in self._running if worker.ended), None)

    def stop(self) -> None:
        """End the processes and give up the port. Does nothing a second time."""
        self._stop_running()
        self._listening.close()
        self._figures.cleanup()

    def _stop_running(self) -> None:
        for worker in self._running:
            worker.ask_to_stop()
        for worker in self._running:
            worker.wait_stopped()
        self._running = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def listen(port: int) -> socket.socket:
    """Return a socket that listens on *port* (0: a free one) of 127.0.0.1.

    Raises:
        UsageError: The port is in use, or may not be taken.
    """
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((HOST, port))
        listening.listen(_BACKLOG)
    except OSError as error:
        listening.close()
        why = "is in use" if error.errno == errno.EADDRINUSE else f"cannot be taken ({error.strerror})"
        raise UsageError(f"port {port} of {HOST} {why}", hint="choose another, or --port 0 for a free one") from error
    except OverflowError as error:
        listening.close()
        raise UsageError(f"a port is a number from 0 to 65535, got {port}") from error
    return listening


class Child:
    """One process that runs *module* on a listening socket; the pipe to its standard input stays open for as long as it shall live."""

    def __init__(self, module: str, listening: socket.socket, settings: str) -> None:
        self._log: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed when the process has ended
        self._process = subprocess.Popen(
            [sys.executable, "-m", module, str(listening.fileno())],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            pass_fds=[listening.fileno()],
            # Ctrl-C in a terminal reaches the whole group: when this process ends is the parent's to say.
            process_group=0,
        )
        assert self._process.stdin is not None
        self._process.stdin.write(settings.encode() + b"\n")
        self._process.stdin.flush()

    @property
    def pid(self) -> int:
        """Its id."""
        return self._process.pid

    @property
    def ended(self) -> bool:
        """Whether it has."""
        return self._process.poll() is not None

    def wait_ready(self, now: Callable[[], float] = time.monotonic) -> None:
        """Return when it serves.

        Raises:
            ServerError: It does not start; the text ends with what it said.
        """
        assert self._process.stdout is not None
        deadline = now() + _START_S
        with selectors.DefaultSelector() as selector:
            selector.register(self._process.stdout, selectors.EVENT_READ)
            if selector.select(deadline - now()) and self._process.stdout.readline() == b"ready\n":
                return
        self.ask_to_stop()
        said = self.last_words()
        self.wait_stopped()
        raise ServerError(f"the service process did not start within {_START_S:g} s:\n{said}")

    def last_words(self) -> str:
        """Return the end of what it said."""
        self._log.seek(0)
        return self._log.read().decode(errors="replace").strip()[-4000:]

    def ask_to_stop(self) -> None:
        """Ask it to end."""
        self._process.terminate()

    def wait_stopped(self) -> None:
        """Return when it has ended, by force in the end."""
        try:
            self._process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.stdout.close()
        self._log.close()
