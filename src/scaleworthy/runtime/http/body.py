"""A limit on what a request may bring: a body that is too large is refused before it is in memory."""

from __future__ import annotations

from collections.abc import Mapping

from scaleworthy.runtime.http.manner import Manner, Produce
from scaleworthy.runtime.http.message import Answer, Message, Problem, Request


class BodyLimit(Manner):
    """Answers 413 to bodies over *most_bytes*: at once where the length is declared, else when that many have come.

    Args:
        most_bytes: Of any request.
        prefixes: Another limit for paths that begin so; the longest prefix counts.

    What the application then answers to the half body it got is not sent. The connection is closed: the rest is not read.
    """

    def __init__(self, most_bytes: int = 1024 * 1024, *, prefixes: Mapping[str, int] | None = None) -> None:
        self._most = most_bytes
        self._prefixes = sorted((prefixes or {}).items(), key=lambda item: -len(item[0]))
        self.refused = 0

    async def before(self, request: Request) -> Answer | None:
        """Refuse it by its declared length, or count what comes."""
        length = request.header(b"content-length")
        if length is None and request.method in ("GET", "HEAD") and request.header(b"transfer-encoding") is None:
            return None
        most = next((most for prefix, most in self._prefixes if request.path.startswith(prefix)), self._most)
        if length is not None and length.isdigit():
            # Longer than any limit has digits: not worth a number.
            if len(length) <= 18 and int(length) <= most:
                return None
            return self._refuse(most)
        receive, seen = request.receive, 0

        async def counted() -> Message:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > most:
                request.notes[self] = most
                return {"type": "http.disconnect"}
            return message

        request.receive = counted
        return None

    async def around(self, request: Request, produce: Produce) -> Answer | None:
        """Refuse what turned out too large, whatever the application made of its half."""
        try:
            answer = await produce()
        except Exception:
            if self not in request.notes:
                raise
            answer = None
        return answer if self not in request.notes else self._refuse(request.notes[self])

    def after(self, request: Request, answer: Answer) -> Answer:
        """Refuse it, in place of what the application made of its half."""
        most = request.notes.get(self)
        return answer if most is None or answer.status == 413 else self._refuse(most)

    def counted(self) -> dict[str, int]:
        """Return how many were refused."""
        return {"too_large": self.refused}

    def _refuse(self, most: int) -> Answer:
        self.refused += 1
        detail = f"a request's body has at most {most} bytes"
        return Problem(413, "Content too large", detail, headers=[(b"connection", b"close")])
