"""ETag and 304: a client that has the answer already is told so in a few bytes.

The tag is a hash of the body before it is compressed, and weak (`W/`), since the same tag stands for the body in any encoding.
"""

from __future__ import annotations

from scaleworthy.errors import MissingExtra
from scaleworthy.runtime.http.manner import Manner
from scaleworthy.runtime.http.message import Answer, Request

# What a 304 must say too, had the answer been 200 (RFC 9110, 15.4.5), and what cookies and links would be lost without.
_KEPT = frozenset(
    {b"cache-control", b"content-location", b"date", b"etag", b"expires", b"vary", b"set-cookie", b"link"}
)


class ETag(Manner):
    """Gives whole 200 answers to GET a tag, and answers `If-None-Match` with 304. A tag that the application set stays.

    Raises:
        MissingExtra: xxhash is not installed.
    """

    def __init__(self) -> None:
        try:
            from xxhash import xxh3_128_hexdigest
        except ImportError as error:
            raise MissingExtra("runtime", needed_for="ETag") from error
        self._hash = xxh3_128_hexdigest

    def after(self, request: Request, answer: Answer) -> Answer:
        """Tag it, or say that it is what the client has."""
        if answer.status != 200 or request.method != "GET":
            return answer
        tag = answer.header(b"etag")
        if tag is None:
            tag = f'W/"{self._hash(answer.body)}"'.encode()
            answer.headers.append((b"etag", tag))
        wanted = request.header(b"if-none-match")
        if wanted is None or not _names(wanted, tag):
            return answer
        return Answer(304, [header for header in answer.headers if header[0] in _KEPT], b"")


def _names(wanted: bytes, tag: bytes) -> bool:
    """Compare weakly (RFC 9110, 8.8.3.2)."""
    bare = tag.removeprefix(b"W/")
    return wanted.strip() == b"*" or any(part.strip().removeprefix(b"W/") == bare for part in wanted.split(b","))
