"""Bodies of requests: JSON, forms, parts with files; how each is told to the engine."""

from __future__ import annotations

import base64
import hashlib
import json
import mimetypes
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote_plus

from pydantic import BeforeValidator, Field, ValidationInfo, model_validator

from scaleworthy.load.base import PlanPart, shown
from scaleworthy.load.template import literal_parts, names_in

PART_BYTES_MAX = 10 * 10**6
"""Largest file that is sent as a part: it is kept in memory, once for all users."""


def read_body(value: Any) -> str:
    """Return a body that is given as text."""
    if not isinstance(value, str):
        raise ValueError(f"must be text, got {shown(value)}; write 'json:' for a JSON body")
    names_in(value)
    return value


def read_json(value: Any) -> Any:
    """Return a body that is given as JSON."""
    try:
        names_in(json.dumps(value, ensure_ascii=False))
    except TypeError as error:
        raise ValueError(f"must be JSON: {error}") from error
    return value


def read_value(value: Any) -> str:
    """Return a form's or a query's value as text: numbers and the like are written as JSON."""
    if isinstance(value, dict | list) or value is None:
        raise ValueError(f"must be text or a number, got {shown(value)}")
    text = value if isinstance(value, str) else json.dumps(value)
    names_in(text)
    return text


def _read_values(value: Any) -> list[str]:
    return [read_value(item) for item in (value if isinstance(value, list) else [value])]


Values = Annotated[list[str], BeforeValidator(_read_values)]


def encoded(fields: Mapping[str, list[str]]) -> str:
    """Return the fields as a form or a query writes them; templates stay, and are encoded when they are filled."""
    return "&".join(f"{quote_plus(name)}={_quoted(value)}" for name, values in fields.items() for value in values)


def _quoted(text: str) -> str:
    return "".join(piece if template else quote_plus(piece) for piece, template in literal_parts(text))


class Part(PlanPart):
    """One part of a multipart body: a `file` (relative to the plan) or a `value`, with the `type` it is said to be."""

    file: str | None = None
    value: Annotated[str, BeforeValidator(read_value)] | None = None
    type: Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[\x20-\x7e]+$")] | None = None
    filename: Annotated[str, Field(min_length=1, max_length=200)] | None = None

    _content: bytes = b""

    @model_validator(mode="after")
    def _read(self, info: ValidationInfo) -> Part:
        if (self.file is None) == (self.value is None):
            raise ValueError("needs either 'file' or 'value'")
        if self.file is not None:
            path = Path((info.context or {}).get("folder", ".")) / self.file
            try:
                if path.stat().st_size > PART_BYTES_MAX:
                    raise ValueError(f"file {self.file!r} is larger than {PART_BYTES_MAX // 10**6} MB")
                object.__setattr__(self, "_content", path.read_bytes())
            except OSError as error:
                raise ValueError(f"file {self.file!r} cannot be read: {error.strerror or error}") from error
        return self

    @property
    def content(self) -> bytes:
        """The file's bytes."""
        return self._content

    def head(self, name: str) -> str:
        """Return the part's header lines (RFC 7578, 4.2)."""
        lines = f'content-disposition: form-data; name="{_escaped(name)}"'
        kind = self.type
        if self.file is not None:
            filename = self.filename or Path(self.file).name
            lines += f'; filename="{_escaped(filename)}"'
            kind = kind or mimetypes.guess_type(filename)[0] or "application/octet-stream"
        return f"{lines}\r\ncontent-type: {kind}\r\n\r\n" if kind else f"{lines}\r\n\r\n"


def _escaped(name: str) -> str:
    return name.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")


def _read_part(value: Any) -> Any:
    return value if isinstance(value, dict | Part) else {"value": value}


Parts = dict[str, Annotated[Part, BeforeValidator(_read_part)]]


def native_parts(parts: Mapping[str, Part]) -> tuple[str, list[dict[str, str]]]:
    """Return the boundary of a multipart body, and the body in the engine's pieces.

    The boundary follows from the content, so that the same plan sends the same bytes.
    """
    told = repr([(name, part.model_dump(), part.content) for name, part in parts.items()]).encode()
    boundary = f"scaleworthy-{hashlib.sha256(told).hexdigest()[:32]}"
    pieces: list[dict[str, str]] = []
    for name, part in parts.items():
        pieces.append({"text": f"--{boundary}\r\n{part.head(name)}"})
        if part.value is not None:
            pieces.append({"text": part.value})
        else:
            pieces.append({"base64": base64.b64encode(part.content).decode()})
        pieces.append({"text": "\r\n"})
    return boundary, [*pieces, {"text": f"--{boundary}--\r\n"}]
