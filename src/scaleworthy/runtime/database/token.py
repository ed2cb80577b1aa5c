"""The position after a client's last commit, carried from its answer to its next request: a header for programs, a cookie for browsers.

app = ReadYourWrites(app)

Within a request `runtime.lsn.session` holds it: `Database` reads from servers that have seen it, and raises it at each commit. It is one
number; no time is in it, so it is right however late a replica is, and satisfied as soon as one has caught up.
"""

from __future__ import annotations

import hashlib
import hmac
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any

from scaleworthy.errors import UsageError
from scaleworthy.runtime.lsn import Session, parse_lsn, session, show_lsn
from scaleworthy.units import parse_duration_ns

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

_SIGNATURE_BYTES = 12
_TEXT_MOST = 64


class ReadYourWrites:
    """ASGI middleware: what a client has written it reads, in whichever process and from whichever server.

    Args:
        app: What it is around.
        header: Name of the header of requests and answers; None: no header.
        cookie: Name of the cookie; None: no cookie.
        secret: With it tokens are signed, and others are not taken: a position that is far ahead sends its sender's own reads to the
            writer. None: they are not.
        kept: How long a browser keeps the cookie.
    """

    def __init__(
        self,
        app: App,
        *,
        header: str | None = "x-read-position",
        cookie: str | None = "read_position",
        secret: str | None = None,
        kept: str = "1d",
    ) -> None:
        self._app = app
        self._header = header.lower().encode() if header else None
        self._cookie = cookie.encode() if cookie else None
        self._key = hashlib.sha256(secret.encode()).digest() if secret is not None else None
        self._kept_s = parse_duration_ns(kept) // 1_000_000_000

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve with the client's position in the context."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        caller = Session(self._said(scope["headers"]))

        async def send_token(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start" and caller.committed:
                message["headers"] = [*message.get("headers", ()), *self._told(caller.committed, scope.get("scheme"))]
            await send(message)

        before = session.set(caller)
        try:
            await self._app(scope, receive, send_token)
        finally:
            session.reset(before)

    def token(self, position: int) -> str:
        """Return what is sent for *position*."""
        text = show_lsn(position)
        return text if self._key is None else f"{text}.{self._signature(text)}"

    def position(self, token: str) -> int:
        """Return the position of *token*; 0 for what is none of ours."""
        if len(token) > _TEXT_MOST or not token.isascii():
            return 0
        text, _, signature = token.partition(".")
        if self._key is not None and not hmac.compare_digest(signature, self._signature(text)):
            return 0
        try:
            return parse_lsn(text)
        except UsageError:
            return 0

    def _said(self, headers: Iterable[tuple[bytes, bytes]]) -> int:
        said = 0
        for name, value in headers:
            if name == self._header:
                said = max(said, self.position(value.decode("latin-1")))
            elif name == b"cookie" and self._cookie is not None and self._cookie in value:
                for part in value.split(b";"):
                    named, _, text = part.strip().partition(b"=")
                    if named == self._cookie:
                        said = max(said, self.position(text.decode("latin-1")))
        return said

    def _told(self, position: int, scheme: str | None) -> list[tuple[bytes, bytes]]:
        token = self.token(position).encode()
        told = [(self._header, token)] if self._header else []
        if self._cookie:
            secure = b"; Secure" if scheme == "https" else b""
            value = b"%s=%s; Path=/; Max-Age=%d; HttpOnly; SameSite=Lax%s" % (
                self._cookie,
                token,
                self._kept_s,
                secure,
            )
            told.append((b"set-cookie", value))
        return told

    def _signature(self, text: str) -> str:
        assert self._key is not None
        return hashlib.blake2b(text.encode(), key=self._key, digest_size=_SIGNATURE_BYTES).hexdigest()


class SharedSessions:
    """Sessions by name (a user, a tenant), in this process: what one client of it has written its other clients read too.

    Beyond *most* names the one least lately asked for is forgotten: a position that old has long been replayed.
    """

    def __init__(self, *, most: int = 10_000) -> None:
        self._most = most
        self._sessions: OrderedDict[str, Session] = OrderedDict()

    def enter(self, name: str) -> Session:
        """Return the session of *name*: what it must see the caller must see too, who has it alone where the context has none."""
        shared = self._sessions.get(name)
        if shared is None:
            shared = self._sessions[name] = Session()
            if len(self._sessions) > self._most:
                self._sessions.popitem(last=False)
        else:
            self._sessions.move_to_end(name)
        caller = session.get()
        if caller is None:
            session.set(shared)
        else:
            caller.require(shared.position)
        return shared
