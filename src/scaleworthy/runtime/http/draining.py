"""Graceful drain: a process that is to end takes nothing new, finishes what it has, and says so."""

from __future__ import annotations

import asyncio

from scaleworthy.runtime.http.manner import Manner
from scaleworthy.runtime.http.message import Answer, Request, problem


class Draining(Manner):
    """Counts what is at work. After `drain` new requests get 503 with `Connection: close`, so that their client goes elsewhere."""

    def __init__(self) -> None:
        self._at_work = 0
        self._draining = False
        self._idle = asyncio.Event()
        self._idle.set()

    @property
    def at_work(self) -> int:
        """Requests being answered."""
        return self._at_work

    async def drain(self, *, at_most_s: float) -> int:
        """Take nothing new, wait for what is at work; return how many were left after *at_most_s*."""
        self._draining = True
        try:
            async with asyncio.timeout(at_most_s):
                await self._idle.wait()
        except TimeoutError:
            pass
        return self._at_work

    async def before(self, request: Request) -> Answer | None:
        """Count it, or send it elsewhere."""
        if self._draining:
            headers = [(b"connection", b"close"), (b"retry-after", b"1")]
            return problem(503, "Going away", "this process is ending; another one answers", headers=headers)
        request.notes[self] = True
        self._at_work += 1
        self._idle.clear()
        return None

    def done(self, request: Request, status: int | None) -> None:  # noqa: ARG002 - over is over
        """It is no longer at work."""
        if self in request.notes:
            self._at_work -= 1
            if not self._at_work:
                self._idle.set()
