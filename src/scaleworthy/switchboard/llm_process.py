"""The local model endpoint as a process of its own: started, stopped, and what runs in it."""

from __future__ import annotations

import socket
from types import TracebackType
from typing import Self

from scaleworthy.errors import ServerError
from scaleworthy.switchboard.llm import create_app
from scaleworthy.switchboard.llm_settings import LlmSettings
from scaleworthy.switchboard.processes import HOST, Child, listen
from scaleworthy.switchboard.worker import run


class LlmProcess:
    """The endpoint, answering. Made by `start`; ended by `stop` or by `with`."""

    def __init__(self, listening: socket.socket, child: Child) -> None:
        self._listening = listening
        self._child = child
        self._is_stopped = False

    @classmethod
    def start(cls, settings: LlmSettings | None = None, *, port: int = 0) -> LlmProcess:
        """Start it on *port* of 127.0.0.1 (0: a free one).

        Raises:
            UsageError: The port cannot be had.
            ServerError: It does not start.
        """
        listening = listen(port)
        try:
            child = Child("scaleworthy.switchboard.llm_process", listening, (settings or LlmSettings()).to_json())
            child.wait_ready()
        except BaseException:
            listening.close()
            raise
        return cls(listening, child)

    @property
    def url(self) -> str:
        """Where it answers, up to `/v1`."""
        return f"http://{HOST}:{self._listening.getsockname()[1]}/v1"

    @property
    def pid(self) -> int:
        """Its process."""
        return self._child.pid

    def check(self) -> None:
        """Raise if it has ended by itself.

        Raises:
            ServerError: With what it said last.
        """
        if self._child.ended:
            raise ServerError(f"the model endpoint ended:\n{self._child.last_words()}")

    def stop(self) -> None:
        """End it. Does nothing a second time."""
        if not self._is_stopped:
            self._is_stopped = True
            self._listening.close()
            self._child.ask_to_stop()
            self._child.wait_stopped()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


if __name__ == "__main__":
    # What it was told to cut off is no news: its log stays empty.
    run(lambda line: create_app(LlmSettings.from_json(line)), log_level="critical")
