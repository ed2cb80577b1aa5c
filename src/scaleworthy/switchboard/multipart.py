"""Read a form with a file in it (RFC 7578): parts between lines of a boundary, each with headers of its own.

Pure: the whole body in, its parts out. How long a body may be is for the caller to say before it gives it here.
"""

from __future__ import annotations

from dataclasses import dataclass
from email.message import Message

PARTS_MAX = 20
_HEADERS_BYTES_MAX = 8 * 1024
_BOUNDARY_MAX = 70


class NotAForm(ValueError):
    """What is wrong with the body, for its sender."""


@dataclass(frozen=True, slots=True)
class Part:
    """One field of the form."""

    name: str
    filename: str | None
    content_type: str
    body: bytes


def boundary_of(content_type: str) -> bytes:
    """Return the boundary that a `content-type` header names.

    Raises:
        NotAForm: It names none, or another type.
    """
    message = Message()
    message["content-type"] = content_type
    boundary = message.get_boundary()
    if message.get_content_type() != "multipart/form-data" or not boundary or len(boundary) > _BOUNDARY_MAX:
        raise NotAForm("multipart/form-data with a boundary of at most 70 characters is expected")
    return boundary.encode("latin-1", "replace")


def parts_of(body: bytes, boundary: bytes) -> list[Part]:
    """Return the parts of a form.

    Raises:
        NotAForm: It ends too soon, has too many parts, or a part does not say its name.
    """
    # A boundary stands at the beginning of a line; the first line has no line break before it.
    pieces = (b"\r\n" + body).split(b"\r\n--" + boundary, PARTS_MAX + 2)
    if len(pieces) < 2 or not pieces[-1].startswith(b"--"):
        what = f"more than {PARTS_MAX} parts" if len(pieces) > PARTS_MAX + 2 else "no end: its last boundary is missing"
        raise NotAForm(f"the form has {what}")
    return [_part(piece) for piece in pieces[1:-1]]


def _part(piece: bytes) -> Part:
    line_rest, _, rest = piece.partition(b"\r\n")
    head, separator, body = rest.partition(b"\r\n\r\n")
    if line_rest.strip() or not separator or len(head) > _HEADERS_BYTES_MAX:
        raise NotAForm("a part of the form has no headers")
    message = Message()
    for line in head.decode("utf-8", "replace").split("\r\n"):
        field, colon, value = line.partition(":")
        if not colon:
            raise NotAForm("a part of the form has a header that is none")
        message[field.strip()] = value.strip()
    name = message.get_param("name", header="content-disposition")
    if not isinstance(name, str) or not name:
        raise NotAForm("a part of the form has no name")
    return Part(name, message.get_filename(), message.get_content_type(), body)
