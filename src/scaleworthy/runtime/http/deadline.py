"""Deadline: work that nobody waits for any more is not begun, and what has begun is ended."""

from __future__ import annotations

import asyncio
import math

from scaleworthy.errors import UsageError
from scaleworthy.runtime.http.manner import Manner, Produce
from scaleworthy.runtime.http.message import Answer, Problem, Request
from scaleworthy.runtime.http.timer import Line, Timer
from scaleworthy.units import format_ns, parse_duration_ns


class Deadline(Manner):
    """Ends a request with 504 when its time is over: what the client's *header* says (`500ms`, `2s`, or seconds), at most *most*.

    A header that cannot be read is 400: a client that believes it set a deadline should know that it did not. The deadline is for the
    answer to come, whole, or with its head where it is streamed: a stream goes on for as long as it likes.
    """

    def __init__(self, *, header: str = "request-timeout", most: str = "60s") -> None:
        self._name = header.lower()
        self._header = self._name.encode()
        self._most_ns = parse_duration_ns(most)
        self._line: Line | None = None
        self.passed = 0

    async def around(self, request: Request, produce: Produce) -> Answer | None:
        """Ask the application for no longer than the deadline."""
        value = request.header(self._header)
        wanted_ns = self._most_ns
        if value is not None:
            try:
                wanted_ns = min(_read_ns(value.decode("latin-1")), self._most_ns)
            except (UsageError, ValueError):
                detail = f"{self._name} is a time such as 500ms or 2s; got {value.decode('latin-1')[:50]!r}"
                return Problem(400, "Unreadable deadline", detail)
        task = asyncio.current_task()
        assert task is not None, "a server asks in a task"
        with Timer(task) as timer:
            request.notes[self] = timer
            self._start(timer, wanted_ns)
            return await produce()
        # Only where the timer has ended it.
        self.passed += 1
        return Problem(504, "Deadline passed", f"no answer within {format_ns(wanted_ns)}")

    def _start(self, timer: Timer, wanted_ns: int) -> None:
        loop = asyncio.get_running_loop()
        if wanted_ns != self._most_ns:
            timer.handle = loop.call_later(wanted_ns / 1e9, timer.end)
            return
        line = self._line
        if line is None or line.loop is not loop:
            # What joined the one before is ended by that, in its own loop.
            line = self._line = Line(loop, self._most_ns / 1e9)
        line.join(timer)

    def came(self, request: Request, answer: Answer) -> None:
        """It is in time."""
        self.head(request, answer)

    def head(self, request: Request, answer: Answer) -> None:  # noqa: ARG002 - that there is one is enough
        """It is in time."""
        timer = request.notes.get(self)
        if timer is not None:
            timer.let_go()

    def counted(self) -> dict[str, int]:
        """Return how many were too late."""
        return {"deadline_passed": self.passed}


def _read_ns(text: str) -> int:
    try:
        seconds = float(text)
    except ValueError:
        return parse_duration_ns(text)
    if not math.isfinite(seconds) or seconds <= 0:
        raise ValueError(text)
    return round(seconds * 1e9)
