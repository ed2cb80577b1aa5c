"""An application that answers as a test says, and how to ask it: ASGI itself, no server between."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Told:
    """What came back."""

    status: int = 0
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    pieces: list[bytes] = field(default_factory=list)

    @property
    def body(self) -> bytes:
        return b"".join(self.pieces)

    def __getitem__(self, name: str) -> str | None:
        found = [value.decode() for known, value in self.headers if known.lower() == name.encode()]
        assert len(found) <= 1, f"{name} more than once: {found}"
        return found[0] if found else None

    async def send(self, message: Any) -> None:
        if message["type"] == "http.response.start":
            self.status, self.headers = message["status"], list(message["headers"])
        else:
            self.pieces.append(message.get("body", b""))


class App:
    """Answers *body* with *status* and *headers*, in *pieces* if given; counts how often it was asked; waits for its gate."""

    def __init__(
        self,
        body: bytes | Any = b"{}",
        *,
        status: int = 200,
        kind: str = "application/json",
        headers: Mapping[str, str] | None = None,
        pieces: Sequence[bytes] | None = None,
        error: Exception | None = None,
    ) -> None:
        self.body = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.status = status
        self.headers = {"content-type": kind, **(headers or {})}
        self.pieces = pieces
        self.error = error
        self.asked = 0
        self.gate = asyncio.Event()
        self.gate.set()
        self.entered = asyncio.Event()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.asked += 1
        self.entered.set()
        await self.gate.wait()
        if self.error is not None:
            raise self.error
        headers = [(name.encode(), value.encode()) for name, value in self.headers.items()]
        pieces = [self.body] if self.pieces is None else [*self.pieces, b""]
        if self.pieces is None:
            headers.append((b"content-length", b"%d" % len(self.body)))
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        for number, piece in enumerate(pieces, 1):
            await send({"type": "http.response.body", "body": piece, "more_body": number < len(pieces)})


async def ask(
    app: Any,
    path: str = "/api/leads",
    *,
    method: str = "GET",
    query: str = "",
    address: str = "10.0.0.1",
    **headers: str,
) -> Told:
    """Ask *app*; `_` in the names of headers stands for `-`."""
    told = Told()
    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "query_string": query.encode(),
        "headers": [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()],
        "client": (address, 40_000),
    }

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    await app(scope, receive, told.send)
    return told
