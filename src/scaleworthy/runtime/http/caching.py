"""Cache-Control for answers that do not say it themselves."""

from __future__ import annotations

from collections.abc import Mapping

from scaleworthy.runtime.http.manner import Manner
from scaleworthy.runtime.http.message import Answer, Request

_ASKING = ("GET", "HEAD")


class CacheControl(Manner):
    """Sets Cache-Control on answers to GET and HEAD that have none.

    Args:
        default: What is said where no prefix fits. `private, no-cache` lets the client keep an answer and ask with its ETag whether it
            still holds; answers of one tenant must never be `public`.
        prefixes: What is said for paths that begin so; the longest prefix counts.
    """

    def __init__(self, default: str = "private, no-cache", *, prefixes: Mapping[str, str] | None = None) -> None:
        self._default = default.encode()
        ordered = sorted((prefixes or {}).items(), key=lambda item: -len(item[0]))
        self._prefixes = [(prefix, value.encode()) for prefix, value in ordered]

    def after(self, request: Request, answer: Answer) -> Answer:
        """Say it."""
        self.head(request, answer)
        return answer

    def head(self, request: Request, answer: Answer) -> None:
        """Say it."""
        if request.method in _ASKING and answer.header(b"cache-control") is None:
            answer.headers.append((b"cache-control", self._for(request.path, answer.status)))

    def _for(self, path: str, status: int) -> bytes:
        if status >= 400:
            return b"no-store"
        for prefix, value in self._prefixes:
            if path.startswith(prefix):
                return value
        return self._default
