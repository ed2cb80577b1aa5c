"""From what the package requests is asked with (`params=`, `data=`, `json=`, `files=`) to a request's path and body."""

from __future__ import annotations

import json as json_module
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlencode

from scaleworthy.load.scenarios.asking import FilePart
from scaleworthy.load.scenarios.asking import body_of as scenario_body

_FORM = "application/x-www-form-urlencoded"


class Body(NamedTuple):
    """A body and its content type; None for none."""

    content: bytes | None
    kind: str | None


def body_of(data: Any, json: Any, files: Any) -> Body:
    """Return the body of a request: *files* make it one of parts, *data* wins over *json*.

    Raises:
        TypeError: What cannot be sent.
    """
    if files:
        return _parts(data, files)
    if data is not None and data != {} and data != "":
        return _plain(data)
    if json is not None:
        return Body(json_module.dumps(json).encode(), "application/json")
    return Body(None, None)


def _plain(data: Any) -> Body:
    if isinstance(data, Mapping):
        return Body(_form(data).encode(), _FORM)
    if isinstance(data, str):
        return Body(data.encode(), None)
    if isinstance(data, bytes | bytearray | memoryview):
        return Body(bytes(data), None)
    if hasattr(data, "read"):
        return _plain(data.read())
    if isinstance(data, list | tuple):
        return Body(_form(data).encode(), _FORM)
    if isinstance(data, Iterable):
        return Body(b"".join(piece if isinstance(piece, bytes) else str(piece).encode() for piece in data), None)
    raise TypeError(f"data is text, bytes, a mapping, pairs or a file, got {type(data).__name__}")


def with_params(path: str, params: Any) -> str:
    """Return *path*, without its fragment, with *params* added to its query."""
    path = path.partition("#")[0]
    if not params:
        return path
    query = params.decode() if isinstance(params, bytes) else params if isinstance(params, str) else _form(params)
    return f"{path}{'&' if '?' in path else '?'}{query}" if query else path


def timeout_ns(timeout: Any) -> int | None:
    """Return nanoseconds of seconds, or of the second of `(connect, read)`; None leaves it to the plan."""
    seconds = timeout[1] if isinstance(timeout, tuple) else timeout
    return None if seconds is None else round(float(seconds) * 1e9)


def _form(fields: Any) -> str:
    pairs = fields.items() if isinstance(fields, Mapping) else fields
    return urlencode([(name, value) for name, value in pairs if value is not None], doseq=True)


def _parts(data: Any, files: Any) -> Body:
    fields = data.items() if isinstance(data, Mapping) else data or ()
    parts: dict[str, FilePart] = {str(name): _content(value) for name, value in fields}
    for name, file in files.items() if isinstance(files, Mapping) else files:
        parts[str(name)] = _file(name, file)
    return Body(*scenario_body({"multipart": parts}))


def _file(name: str, file: Any) -> FilePart:
    if not isinstance(file, tuple):
        own_name = getattr(file, "name", None)
        return (Path(own_name).name if isinstance(own_name, str) else str(name), _content(file))
    if len(file) == 2 or file[2] is None:
        return (str(file[0] or name), _content(file[1]))
    return (str(file[0] or name), _content(file[1]), str(file[2]))


def _content(value: Any) -> bytes:
    if hasattr(value, "read"):
        value = value.read()
    return bytes(value) if isinstance(value, bytes | bytearray) else str(value).encode()
