"""Compression at levels that pay: zstd first, since at its quickest it is smaller and several times quicker than gzip."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any

from scaleworthy._native import Packer
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
        zstd, br, gzip: Levels; None: not offered. High ones cost far more time than they save bytes.

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
        self._offered: dict[bytes, Callable[[bytes], Any]] = {}
        if zstd is not None:
            # Ours keeps its tables: to set them up anew takes longer than to compress a small answer.
            self._offered[b"zstd"] = Packer(zstd).compress
        if br is not None:
            self._offered[b"br"] = partial(cramjam.brotli.compress, level=br)
        if gzip is not None:
            self._offered[b"gzip"] = partial(cramjam.gzip.compress, level=gzip)
        self._least_bytes = least_bytes
        # Headers of clients repeat; they are bounded, since a client may send any.
        self._chosen: Callable[[bytes], bytes | None] = lru_cache(maxsize=256)(self._choose)

    def after(self, request: Request, answer: Answer) -> Answer:
        """Compress it, where that is wanted and pays."""
        if answer.status == 304:
            # What the answer would have said (RFC 9110, 15.4.5).
            answer.add_vary(b"accept-encoding")
        if len(answer.body) < self._least_bytes or not _may_change(answer):
            return answer
        answer.add_vary(b"accept-encoding")
        chosen = self._chosen_for(request)
        if chosen is None:
            return answer
        smaller = bytes(self._offered[chosen](answer.body))
        if len(smaller) < len(answer.body):
            answer.body = smaller
            answer.headers.append((b"content-encoding", chosen))
            tag = answer.header(b"etag")
            if tag is not None and not tag.startswith(b"W/"):
                # A strong tag stands for these bytes alone (RFC 9110, 8.8.3.3).
                answer.set(b"etag", b"W/" + tag)
        return answer

    def head(self, request: Request, answer: Answer) -> None:
        """Say no length that a GET would not be answered with (RFC 9110, 8.6); what is streamed stays as it is."""
        if request.method != "HEAD" or not _may_change(answer):
            return
        length = answer.header(b"content-length")
        if length is not None and length.isdigit() and int(length) < self._least_bytes:
            return
        answer.add_vary(b"accept-encoding")
        if self._chosen_for(request) is not None:
            answer.drop(b"content-length")

    def _chosen_for(self, request: Request) -> bytes | None:
        accepted = request.header(b"accept-encoding")
        return None if accepted is None else self._chosen(accepted)

    def _choose(self, accepted: bytes) -> bytes | None:
        """Return the offered encoding that the client likes best; of those it likes equally, the first offered (RFC 9110, 12.5.3)."""
        likes = dict(_weighed(part) for part in accepted.lower().split(b",") if part.strip())
        if b"x-gzip" in likes:
            likes.setdefault(b"gzip", likes[b"x-gzip"])
        rest = likes.get(b"*", 0.0)
        best = max(self._offered, key=lambda name: likes.get(name, rest), default=None)
        if best is None or likes.get(best, rest) <= 0 or likes.get(b"identity", 0.0) > likes.get(best, rest):
            return None
        return best


# RFC 9110, 12.4.2: three decimals at most.
_WEIGHT = re.compile(rb"q=(0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?)")


def _weighed(part: bytes) -> tuple[bytes, float]:
    """Return an encoding and its weight; a weight that cannot be read is none."""
    name, has_weight, parameter = part.partition(b";")
    weight = _WEIGHT.fullmatch(parameter.strip())
    if weight is None:
        return name.strip(), 0.0 if has_weight else 1.0
    return name.strip(), float(weight[1])


def _may_change(answer: Answer) -> bool:
    """Whether it is text, whole, not encoded yet, and nobody said that it must stay as it is."""
    header = answer.header
    if answer.status == 206 or not _is_text(header(b"content-type")):
        return False
    cached = header(b"cache-control")
    return header(b"content-encoding") is None and (cached is None or b"no-transform" not in cached.lower())


def _is_text(kind: bytes | None) -> bool:
    if kind == b"application/json":
        return True
    if kind is None or kind.startswith(b"text/event-stream"):
        return False
    return kind.startswith((b"text/", *_KINDS)) or kind.partition(b";")[0].rstrip().endswith(b"+json")
