"""Graceful drain: a process that is to end sends its clients elsewhere, finishes what it has, and says so."""

from __future__ import annotations

import asyncio

from scaleworthy.runtime.http.manner import Manner
from scaleworthy.runtime.http.message import Answer, Problem, Request


class Draining(Manner):
    """Counts what is at work, and ends in two steps.

    `leave`: requests are still answered, each answer with `Connection: close`, so that every client comes to another process with its
    next one; nothing is lost. `drain`: new requests get 503 with `Connection: close`, and it waits for those at work.
    """

    def __init__(self) -> None:
        self._at_work = 0
        self._leaving = self._draining = False
        self._idle = asyncio.Event()
        self._idle.set()
        self.begun = 0
        """Requests that came since the start."""

    @property
    def at_work(self) -> int:
        """Requests being answered."""
        return self._at_work

    def leave(self) -> None:
        """Answer, and ask each client to go."""
        self._leaving = True

    async def drain(self, *, at_most_s: float) -> int:
        """Take nothing new, wait for what is at work; return how many were left after *at_most_s*."""
        self._leaving = self._draining = True
        try:
            async with asyncio.timeout(at_most_s):
                await self._idle.wait()
        except TimeoutError:
            pass
        return self._at_work

    def before(self, request: Request) -> Answer | None:
        """Count it, or send it elsewhere."""
        if self._draining:
            return Problem(
                503, "Going away", "this process is ending; another one answers", headers=[(b"retry-after", b"1")]
            )
        request.notes[self] = True
        self.begun += 1
        self._at_work += 1
        self._idle.clear()
        return None

    def after(self, request: Request, answer: Answer) -> Answer:
        """Ask the client to go."""
        if self._leaving:
            self.head(request, answer)
        return answer

    def head(self, request: Request, answer: Answer) -> None:
        """Ask the client to go."""
        if self._leaving and request.has_connection:
            answer.set(b"connection", b"close")

    def done(self, request: Request, status: int | None) -> None:  # noqa: ARG002 - over is over
        """It is no longer at work."""
        if self in request.notes:
            self._at_work -= 1
            if not self._at_work:
                self._idle.set()

    def trouble(self) -> str | None:
        """Return that it is ending."""
        return "http: this process is ending" if self._leaving else None
