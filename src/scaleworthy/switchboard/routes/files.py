"""Files: upload one, list, download, delete. Kept in the database, so that the tenant's policies hold for every byte."""

from __future__ import annotations

import re
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request, Response

from scaleworthy.switchboard.database import Statement
from scaleworthy.switchboard.files import sent, storing
from scaleworthy.switchboard.multipart import NotAForm, Part, boundary_of, parts_of
from scaleworthy.switchboard.queries import files as sql
from scaleworthy.switchboard.refusal import Refusal, not_found, unprocessable
from scaleworthy.switchboard.request import AnyCaller

router = APIRouter(tags=["files"])

FILE_BYTES_MAX = 8 * 1024 * 1024
# Boundaries and headers come on top of the file.
_FORM_BYTES_MAX = FILE_BYTES_MAX + 64 * 1024
_NAME_MAX = 200
_TYPE = re.compile(r"[a-z0-9.+-]{1,60}/[a-z0-9.+-]{1,60}")
_FORM = {
    "required": True,
    "content": {
        "multipart/form-data": {
            "schema": {
                "type": "object",
                "required": ["file"],
                "properties": {"file": {"type": "string", "contentMediaType": "application/octet-stream"}},
            }
        }
    },
}

Id = Annotated[int, Path(ge=1, le=2**63 - 1)]
CallId = Annotated[int | None, Query(ge=1, le=2**63 - 1)]


@router.post("/files", status_code=201, response_model=None, openapi_extra={"requestBody": _FORM})
async def upload(caller: AnyCaller, request: Request, call_id: CallId = None) -> Any:
    """Store the field `file` of a form, of at most 8 MiB; with `call_id` it belongs to that call."""
    form = await _form(request)
    files = [part for part in form if part.name == "file" and part.filename is not None]
    if len(files) != 1:
        raise unprocessable("body.file", f"one field `file` with a file is expected, got {len(files)}")
    [part] = files
    statement = storing(
        caller.tenant.id,
        name=_name(part.filename or ""),
        content_type=_type(part),
        body=part.body,
        now=caller.service.now(),
        call_id=call_id,
    )
    [stored] = await caller.run(statement)
    if not stored:
        raise unprocessable("query.call_id", "this tenant has no such call")
    return caller.service.answer(stored[0], 201)


@router.get("/files", response_model=None)
async def list_files(caller: AnyCaller) -> Any:
    """List the latest hundred files, newest first."""
    [rows] = await caller.run(Statement(sql.LATEST))
    return caller.service.answer({"tenant_id": caller.tenant.id, "files": rows})


@router.get("/files/{file_id}", response_model=None)
async def download(caller: AnyCaller, request: Request, file_id: Id) -> Response:
    """Send a file; `if-none-match` with its tag is answered with 304."""
    [rows] = await caller.run(Statement(sql.ONE, {"id": file_id}))
    if not rows:
        raise not_found("file", file_id)
    return sent(caller, request, rows[0])


@router.delete("/files/{file_id}", status_code=204)
async def delete_file(caller: AnyCaller, file_id: Id) -> Response:
    """Delete a file and its bytes."""
    [deleted] = await caller.run(Statement(sql.DELETE, {"id": file_id}))
    if not deleted:
        raise not_found("file", file_id)
    return Response(status_code=204)


async def _form(request: Request) -> list[Part]:
    """Read the form, and no more of it than may be: what is too long is refused before it is here."""
    too_large = Refusal(413, "too_large", f"a file has at most {FILE_BYTES_MAX:,} bytes")
    try:
        boundary = boundary_of(request.headers.get("content-type", ""))
    except NotAForm as error:
        raise Refusal(415, "not_a_form", str(error)) from error
    told = request.headers.get("content-length", "")
    if told.isdecimal() and int(told) > _FORM_BYTES_MAX:
        raise too_large
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > _FORM_BYTES_MAX:
            raise too_large
    try:
        parts = parts_of(bytes(body), boundary)
    except NotAForm as error:
        raise unprocessable("body", str(error)) from error
    if any(len(part.body) > FILE_BYTES_MAX for part in parts):
        raise too_large
    return parts


def _name(text: str) -> str:
    """Return the last part of a path that a browser may have sent, without what no name of a file has."""
    name = re.split(r"[/\\]", text)[-1].strip()
    if not name or len(name) > _NAME_MAX or not name.isprintable():
        raise unprocessable("body.file", f"a name of 1 to {_NAME_MAX} printable characters is expected")
    return name


def _type(part: Part) -> str:
    return part.content_type if _TYPE.fullmatch(part.content_type) else "application/octet-stream"
