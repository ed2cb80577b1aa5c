"""From what a scenario asks (`json=`, `params=`, `auth=`, …) to the bytes of a request's parts."""

from __future__ import annotations

import base64
import json
import mimetypes
import secrets
from collections.abc import AsyncIterable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, TypedDict
from urllib.parse import quote, urlencode

Params = Mapping[str, Any] | Sequence[tuple[str, Any]]
Auth = tuple[str, str] | str
Body = str | bytes | Path | IO[bytes] | Iterable[bytes] | AsyncIterable[bytes]
FilePart = bytes | str | Path | tuple[str, bytes | str] | tuple[str, bytes | str, str]


class Options(TypedDict, total=False):
    """What may be said of a request beside its path.

    Attributes:
        name: What it is called in the results, in place of method and route.
        params: The query; a list gives a name several times.
        headers: Its own headers; they win over the user's and the plan's.
        json: A body as JSON.
        form: A body as an HTML form sends it.
        multipart: A body of named parts; a `Path`, or `(file name, content[, type])`, is a file.
        body: A body as text or bytes; or in pieces while it is sent: an iterator of bytes, plain or `async`, a file that is
            open for reading bytes, or a `Path`.
        cookies: Sent with this request, beside those of the user's jar.
        auth: `(user, password)`, or a bearer token.
        timeout: In place of the plan's: seconds, or text such as "500ms".
        follow_redirects: Whether redirects within the target are followed; they are, where nothing is said.
        tags: Labels of the step beside its name.
        stream: The answer is read as events, to its end: "sse", "ndjson", "llm", or a mapping with `kind` and `goodput`, `age`,
            `events_max`, `for`; `answer.stream` says what they were.
    """

    name: str
    params: Params
    headers: Mapping[str, str]
    json: Any
    form: Params
    multipart: Mapping[str, FilePart]
    body: Body
    cookies: Mapping[str, str]
    auth: Auth
    timeout: float | str
    follow_redirects: bool
    tags: Mapping[str, str]
    stream: str | Mapping[str, Any]


def body_of(options: Options) -> tuple[bytes | None, str | None]:
    """Return the body that *options* ask for and its content type.

    Raises:
        TypeError: More than one body, or one of the wrong kind.
    """
    given = [name for name in ("json", "form", "multipart", "body") if name in options]
    if len(given) > 1:
        raise TypeError(f"a request has one body, got {' and '.join(given)}")
    if "json" in options:
        return json.dumps(options["json"], separators=(",", ":"), ensure_ascii=False).encode(), "application/json"
    if "form" in options:
        return urlencode(_pairs(options["form"])).encode(), "application/x-www-form-urlencoded"
    if "multipart" in options:
        return _multipart(options["multipart"])
    body = options.get("body")
    if body is None:
        return None, None
    if isinstance(body, str):
        return body.encode(), "text/plain; charset=utf-8"
    if isinstance(body, bytes | bytearray | memoryview):
        return bytes(body), "application/octet-stream"
    raise TypeError(
        f"a body is text, bytes, a file open for reading bytes, a Path or an iterator of bytes, got {type(body).__name__}"
    )


def with_query(path: str, params: Params | None) -> str:
    """Return *path* with *params* added to its query."""
    if not params:
        return path
    query = urlencode(_pairs(params))
    return f"{path}{'&' if '?' in path else '?'}{query}"


def auth_header(auth: Auth) -> str:
    """Return the value of the authorization header: basic for a pair, bearer for a token."""
    if isinstance(auth, str):
        return f"Bearer {auth}"
    user, password = auth
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def _pairs(params: Params) -> list[tuple[str, str]]:
    items: Iterable[tuple[str, Any]] = params.items() if isinstance(params, Mapping) else params
    pairs: list[tuple[str, str]] = []
    for name, value in items:
        several = value if isinstance(value, list | tuple) else [value]
        pairs += [(name, _text(item)) for item in several if item is not None]
    return pairs


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _multipart(parts: Mapping[str, FilePart]) -> tuple[bytes, str]:
    boundary = f"scaleworthy-{secrets.token_hex(12)}"
    lines: list[bytes] = []
    for name, part in parts.items():
        file_name, content, kind = _part(part)
        disposition = f'form-data; name="{_quoted(name)}"'
        if file_name is not None:
            disposition += f'; filename="{_quoted(file_name)}"'
        lines += [b"--" + boundary.encode(), f"Content-Disposition: {disposition}".encode()]
        if kind is not None:
            lines.append(f"Content-Type: {kind}".encode())
        lines += [b"", content]
    lines += [b"--" + boundary.encode() + b"--", b""]
    return b"\r\n".join(lines), f"multipart/form-data; boundary={boundary}"


def _part(part: FilePart) -> tuple[str | None, bytes, str | None]:
    """Return file name, content and type; a plain value has only its content."""
    match part:
        case bytes():
            return None, part, None
        case str():
            return None, part.encode(), None
        case Path():
            return part.name, part.read_bytes(), _type_of(part.name)
        case (file_name, content):
            return file_name, _bytes(content), _type_of(file_name)
        case (file_name, content, kind):
            return file_name, _bytes(content), kind
        case other:
            raise TypeError(f"a part is text, bytes, a Path or (file name, content[, type]), got {other!r}")


def _bytes(content: bytes | str) -> bytes:
    return content.encode() if isinstance(content, str) else content


def _type_of(file_name: str) -> str:
    return mimetypes.guess_type(file_name)[0] or "application/octet-stream"


def _quoted(text: str) -> str:
    return quote(text, safe=" !#$&'()*+,-./:;<=>?@[]^_`{|}~")
