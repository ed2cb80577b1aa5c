"""Say how long work goes on: a line with the seconds since the start, on standard error; results go to standard output."""

from __future__ import annotations

import time
from collections.abc import Callable

from rich.console import Console
from rich.text import Text

from scaleworthy.cli.results import silence_stdout


class PatientConsole(Console):
    """A console whose reader may go away (`| head`) without that being the command's end."""

    def on_broken_pipe(self) -> None:
        """Send what is still to come nowhere; rich would end the process with status 1."""
        silence_stdout()


class Teller:
    """Two consoles: `say` for progress, `result` for what the user asked for."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._start = clock()
        self._progress = Console(stderr=True, highlight=False)
        self.result = PatientConsole(highlight=False)

    def say(self, text: str) -> None:
        """Print one line of progress with the seconds since the start."""
        at = f"{self._clock() - self._start:5.0f} s  "
        self._progress.print(Text.assemble((at, "dim"), text), soft_wrap=True)
