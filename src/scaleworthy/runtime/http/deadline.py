"""Deadline: work that nobody waits for any more is not begun, and what has begun is ended."""

from __future__ import annotations

import asyncio

from scaleworthy.errors import UsageError
from scaleworthy.runtime.http.manner import Manner, Produce
from scaleworthy.runtime.http.message import Answer, Request, problem
from scaleworthy.units import format_ns, parse_duration_ns


class Deadline(Manner):
    """Ends a request with 504 when its time is over: what the client's *header* says (`500ms`, `2s`, or seconds), at most *most*.

    A header that cannot be read is 400: a client that believes it set a deadline should know that it did not.
    """

    def __init__(self, *, header: str = "request-timeout", most: str = "60s") -> None:
        self._name = header.lower()
        self._header = self._name.encode()
        self._most_ns = parse_duration_ns(most)

    async def around(self, request: Request, produce: Produce) -> Answer | None:
        """Ask the application for no longer than the deadline."""
        value = request.header(self._header)
        wanted_ns = self._most_ns
        if value is not None:
            try:
                wanted_ns = min(_read_ns(value.decode("latin-1")), self._most_ns)
            except (UsageError, ValueError):
                detail = f"{self._name} is a time such as 500ms or 2s; got {value.decode('latin-1')[:50]!r}"
                return problem(400, "Unreadable deadline", detail)
        try:
            async with asyncio.timeout(wanted_ns / 1e9) as timer:
                return await produce()
        except TimeoutError:
            if not timer.expired():
                raise
            return problem(504, "Deadline passed", f"no answer within {format_ns(wanted_ns)}")


def _read_ns(text: str) -> int:
    try:
        return round(float(text) * 1e9)
    except ValueError:
        return parse_duration_ns(text)
