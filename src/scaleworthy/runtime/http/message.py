"""A request as the manners see it, and an answer before it is sent."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

# Nothing follows these heads (RFC 9110, 6.4.1).
_WITHOUT_BODY = frozenset({204, 304})


class Request:
    """What came in. Names of headers are lower case, as ASGI has them; of several of one name the last stands."""

    __slots__ = ("began_ns", "header", "method", "notes", "path", "receive", "scope", "took_ns")

    def __init__(self, scope: Scope, receive: Receive, began_ns: int) -> None:
        self.scope = scope
        self.receive = receive
        """What the application reads the body by; a manner may put its own in its place."""
        self.began_ns = began_ns
        self.took_ns = 0
        """Until the answer, or the head of a streamed one, went out; until the end where there was none. Known when it is over."""
        self.notes: dict[Any, Any] = {}
        """What a manner wants to remember until the end, under itself."""
        self.method: str = scope["method"]
        """In capitals."""
        self.path: str = scope["path"]
        """Unquoted, without the query."""
        self.header: Callable[[bytes], bytes | None] = dict(scope["headers"]).get
        """Return the header of a name (lower case)."""

    @property
    def has_connection(self) -> bool:
        """Whether an answer may say `Connection: close`. HTTP/2 has no such field: its server ends connections by itself (GOAWAY)."""
        version: str = self.scope.get("http_version", "1.1")
        return version < "2"

    @property
    def address(self) -> str:
        """Address of who is connected; a proxy's, where there is one."""
        client = self.scope.get("client")
        return client[0] if client else ""


class Answer:
    """A whole answer: status, headers and body. Names of headers are lower case, as ASGI has them."""

    __slots__ = ("body", "headers", "status")

    def __init__(self, status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
        self.status = status
        self.headers = headers
        self.body = body

    @classmethod
    def of(cls, start: Message, body: bytes) -> Answer:
        """Return the answer that an `http.response.start` message and *body* make, whatever case and buffer the application chose."""
        headers = [(name.lower(), value) for name, value in start.get("headers", ())]
        return cls(start["status"], headers, body if type(body) is bytes else bytes(body))

    def header(self, name: bytes) -> bytes | None:
        """Return the header *name* (lower case), the first of several."""
        for known, value in self.headers:
            if known == name:
                return value
        return None

    def set(self, name: bytes, value: bytes) -> None:
        """Let the header *name* be *value*, whatever it was."""
        kept = [header for header in self.headers if header[0] != name]
        kept.append((name, value))
        self.headers = kept

    def drop(self, name: bytes) -> None:
        """Leave the header *name* (lower case) out."""
        self.headers = [(known, value) for known, value in self.headers if known != name]

    def add_vary(self, name: bytes) -> None:
        """Say that the answer depends on the request's header *name*."""
        known = self.header(b"vary")
        if known is None:
            self.headers.append((b"vary", name))
        elif known.strip() != b"*" and name.lower() not in {part.strip().lower() for part in known.split(b",")}:
            self.set(b"vary", known + b", " + name)

    def copy(self) -> Answer:
        """Return one that can be changed by itself."""
        return Answer(self.status, list(self.headers), self.body)

    def messages(self) -> tuple[Message, Message]:
        """Return what is to be sent, with the length it has now."""
        body = self.body
        if self.status in _WITHOUT_BODY:
            body = b""
            self.drop(b"content-length")
        else:
            self.set(b"content-length", b"%d" % len(body))
        start = {"type": "http.response.start", "status": self.status, "headers": self.headers}
        return start, {"type": "http.response.body", "body": body}


class Problem(Answer):
    """A refusal by a manner: `application/problem+json` (RFC 9457), unless the stack is given words of its own."""

    __slots__ = ("detail", "kind", "more", "title")

    def __init__(
        self,
        status: int,
        title: str,
        detail: str,
        *,
        headers: list[tuple[bytes, bytes]] | None = None,
        kind: str = "about:blank",
        more: Mapping[str, Any] | None = None,
    ) -> None:
        self.title = title
        self.detail = detail
        self.kind = kind
        self.more = more or {}
        members = {"type": kind, "title": title, "status": status, "detail": detail, **self.more}
        headers = [(b"content-type", b"application/problem+json"), *(headers or [])]
        super().__init__(status, headers, json.dumps(members).encode())
