"""A limit on what a request may bring: a body that is too large is refused before it is in memory."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Mapping

from scaleworthy.runtime.http.manner import Manner, Produce
from scaleworthy.runtime.http.message import Answer, Message, Problem, Receive, Request

# A client that is still sending when its connection is closed may never see why: so much more is read, and thrown away, first.
_AWAY_BYTES = 8 * 1024 * 1024
_AWAY_S = 2.0


class BodyLimit(Manner):
    """Answers 413 to bodies over *most_bytes*: without asking the application where the length is declared, else when that many have come.

    Args:
        most_bytes: Of any request.
        prefixes: Another limit for paths that begin so; the longest prefix counts.

    What the application then answers to the half body it got is not sent. Up to 8 MiB more are read and thrown away, for 2 s, so that the
    client can finish and read the answer; beyond that the connection is closed. One that asks first (`Expect: 100-continue`) is told
    at once.
    """

    def __init__(self, most_bytes: int = 1024 * 1024, *, prefixes: Mapping[str, int] | None = None) -> None:
        self._most = most_bytes
        self._prefixes = sorted((prefixes or {}).items(), key=lambda item: -len(item[0]))
        self.refused = 0

    def before(self, request: Request) -> Answer | Awaitable[Answer | None] | None:
        """Refuse it by its declared length, or count what comes."""
        length = request.header(b"content-length")
        if length is None and request.method in ("GET", "HEAD") and request.header(b"transfer-encoding") is None:
            return None
        most = next((most for prefix, most in self._prefixes if request.path.startswith(prefix)), self._most)
        if length is not None and length.isdigit():
            # Longer than any limit has digits: not worth a number.
            declared = int(length) if len(length) <= 18 else 10**18
            if declared <= most:
                return None
            return self._turn_away(request, most, declared)
        request.receive = self._counting(request, most)
        return None

    async def _turn_away(self, request: Request, most: int, declared: int) -> Answer:
        # Who asks whether to send (RFC 9110, 10.1.1) has not begun; a server says yes as soon as somebody wants to read.
        is_asked = (request.header(b"expect") or b"").lower() == b"100-continue"
        came = not is_asked and declared <= _AWAY_BYTES and await _read_away(request.receive)
        return self._refuse(request, most, came=came)

    def _counting(self, request: Request, most: int) -> Receive:
        receive, seen = request.receive, 0

        async def counted() -> Message:
            nonlocal seen
            if seen > most:
                return {"type": "http.disconnect"}
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > most:
                request.notes[self] = (most, not message.get("more_body", False) or await _read_away(receive))
                return {"type": "http.disconnect"}
            return message

        return counted

    async def around(self, request: Request, produce: Produce) -> Answer | None:
        """Refuse what turned out too large, whatever the application made of its half."""
        try:
            answer = await produce()
        except Exception:
            if self not in request.notes:
                raise
            answer = None
        return answer if self not in request.notes else self._refused(request)

    def after(self, request: Request, answer: Answer) -> Answer:
        """Refuse it, in place of what the application made of its half."""
        return answer if self not in request.notes or answer.status == 413 else self._refused(request)

    def counted(self) -> dict[str, int]:
        """Return how many were refused."""
        return {"too_large": self.refused}

    def _refused(self, request: Request) -> Answer:
        most, came = request.notes[self]
        return self._refuse(request, most, came=came)

    def _refuse(self, request: Request, most: int, *, came: bool) -> Answer:
        self.refused += 1
        headers = [(b"connection", b"close")] if request.has_connection and not came else []
        return Problem(413, "Content too large", f"a request's body has at most {most} bytes", headers=headers)


async def _read_away(receive: Receive) -> bool:
    """Throw away what still comes; return whether that was all."""
    seen = 0
    try:
        async with asyncio.timeout(_AWAY_S):
            while seen <= _AWAY_BYTES:
                message = await receive()
                seen += len(message.get("body", b""))
                if not message.get("more_body", False):
                    return True
    except TimeoutError:
        pass
    return False
