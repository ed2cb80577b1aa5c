"""Compression at levels that pay: zstd first, since at its quickest it is smaller and several times quicker than gzip."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

from scaleworthy.errors import MissingExtra
from scaleworthy.runtime.http.manner import Manner
from scaleworthy.runtime.http.message import Answer, Request

_KINDS = (
    b"application/json",
    b"application/problem+json",
    b"application/javascript",
    b"application/xml",
    b"image/svg+xml",
)


class Compression(Manner):
    """Compresses whole answers of *least_bytes* and more that are text, as the client accepts: zstd, br or gzip.

    Args:
        least_bytes: Smaller bodies are sent as they are: the head and the work would cost more than they save.
        zstd, br, gzip: Levels; None: not offered. 115 KB of JSON take 0.14 ms by zstd 1 and 126 ms by br 11.

    Raises:
        MissingExtra: cramjam is not installed.
    """

    def __init__(
        self, *, least_bytes: int = 1024, zstd: int | None = 1, br: int | None = 4, gzip: int | None = 1
    ) -> None:
        try:
            import cramjam
        except ImportError as error:
            raise MissingExtra("runtime", needed_for="compression") from error
        levels = (
            (b"zstd", cramjam.zstd, zstd),
            (b"br", cramjam.brotli, br),
            (b"gzip", cramjam.gzip, gzip),
        )
        self._offered: dict[bytes, tuple[Any, int]] = {
            name: (codec, level) for name, codec, level in levels if level is not None
        }
        self._least_bytes = least_bytes
        # Headers of clients repeat; they are bounded, since a client may send any.
        self._chosen: Callable[[bytes], bytes | None] = lru_cache(maxsize=256)(self._choose)

    def after(self, request: Request, answer: Answer) -> Answer:
        """Compress it, where that is wanted and pays."""
        if len(answer.body) < self._least_bytes or answer.status == 206 or not _is_text(answer):
            return answer
        if answer.header(b"content-encoding") is not None:
            return answer
        cached = answer.header(b"cache-control")
        if cached is not None and b"no-transform" in cached:
            return answer
        answer.add_vary(b"accept-encoding")
        accepted = request.header(b"accept-encoding")
        chosen = None if accepted is None else self._chosen(accepted)
        if chosen is None:
            return answer
        codec, level = self._offered[chosen]
        smaller = bytes(codec.compress(answer.body, level=level))
        if len(smaller) < len(answer.body):
            answer.body = smaller
            answer.headers.append((b"content-encoding", chosen))
            tag = answer.header(b"etag")
            if tag is not None and not tag.startswith(b"W/"):
                # A strong tag stands for these bytes alone (RFC 9110, 8.8.3.3).
                answer.set(b"etag", b"W/" + tag)
        return answer

    def _choose(self, accepted: bytes) -> bytes | None:
        """Return the offered encoding that the client likes best; of those it likes equally, the first offered (RFC 9110, 12.5.3)."""
        likes = dict(_weighed(part) for part in accepted.lower().split(b",") if part.strip())
        rest = likes.get(b"*", 0.0)
        best = max(self._offered, key=lambda name: likes.get(name, rest), default=None)
        if best is None or likes.get(best, rest) <= 0 or likes.get(b"identity", 0.0) > likes.get(best, rest):
            return None
        return best


def _weighed(part: bytes) -> tuple[bytes, float]:
    name, _, parameter = part.partition(b";")
    weight = parameter.strip().removeprefix(b"q=")
    try:
        return name.strip(), float(weight) if weight else 1.0
    except ValueError:
        return name.strip(), 0.0


def _is_text(answer: Answer) -> bool:
    kind = answer.header(b"content-type")
    if kind is None or kind.startswith(b"text/event-stream"):
        return False
    return kind.startswith((b"text/", *_KINDS)) or kind.partition(b";")[0].rstrip().endswith(b"+json")
