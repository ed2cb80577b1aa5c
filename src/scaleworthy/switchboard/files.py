"""Files of a tenant: put into the database whole, read from it piece by piece.

Question: how is a file kept so that nobody else can read it, and read without holding all of it?
Not here: where files come from (routes/files.py, an upload; media/, what was heard in a call).
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from datetime import datetime
from typing import TYPE_CHECKING, Any

from fastapi import Request
from fastapi.responses import Response, StreamingResponse

from scaleworthy.switchboard.database import Row, Statement
from scaleworthy.switchboard.queries import files as sql

if TYPE_CHECKING:
    from scaleworthy.switchboard.request import Caller

# What a browser may show by itself; anything else is only ever saved, so that an upload cannot become a page of ours.
_SHOWN = ("audio/", "image/png", "image/jpeg", "text/plain", "application/pdf")


def storing(
    tenant_id: Any, *, name: str, content_type: str, body: bytes, now: datetime, call_id: int | None = None
) -> Statement:
    """Return the statement that stores a file; it answers with the file's row, or with none where the call is not the tenant's."""
    values = {
        "tenant_id": tenant_id,
        "call_id": call_id,
        "name": name,
        "content_type": content_type,
        "size_bytes": len(body),
        "sha256": hashlib.sha256(body).hexdigest(),
        "now": now,
        "parts": [body[at : at + sql.PART_BYTES] for at in range(0, len(body), sql.PART_BYTES)],
    }
    return Statement(sql.STORE, values)


def sent(caller: Caller, request: Request, file: Row) -> Response:
    """Return the answer that sends *file*: 304 where the client has it, a piece at a time otherwise.

    The tag is strong and is the bytes' own hash: one from another tenant's file says only that the bytes are the same, and is
    compared only with a file that is the asking tenant's.
    """
    tag = f'"{file["sha256"]}"'
    shown = file["content_type"].startswith(_SHOWN)
    headers = {
        "etag": tag,
        "cache-control": "private, no-cache",
        "vary": "x-tenant-key",
        "x-content-type-options": "nosniff",
    }
    wanted = request.headers.get("if-none-match", "")
    if wanted.strip() == "*" or tag in (part.strip().removeprefix("W/") for part in wanted.split(",")):
        return Response(status_code=304, headers=headers)
    headers |= {
        "content-length": str(file["size_bytes"]),
        "content-disposition": f"{'inline' if shown else 'attachment'}; filename*=UTF-8''{_quoted(file['name'])}",
        "content-security-policy": "sandbox",
    }
    return StreamingResponse(_pieces(caller, file), headers=headers, media_type=file["content_type"])


async def _pieces(caller: Caller, file: Row) -> AsyncIterator[bytes]:
    """Read part after part, each in a transaction of its own: a slow client holds no connection between them."""
    for number in range(1, -(-file["size_bytes"] // sql.PART_BYTES) + 1):
        [rows] = await caller.run(Statement(sql.PART, {"id": file["id"], "number": number}))
        if not rows:
            return  # deleted meanwhile: the length that was promised tells the client
        yield bytes(rows[0]["bytes"])


def _quoted(name: str) -> str:
    """Return *name* as a header may carry it (RFC 8187)."""
    plain = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_~"
    return "".join(chr(byte) if byte in plain else f"%{byte:02X}" for byte in name.encode())
