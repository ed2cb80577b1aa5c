"""Recordings: what was said in a completed call. The sound is a file of the call (μ-law in a WAV), where a media stream kept it."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Request, Response

from scaleworthy.switchboard.database import Statement
from scaleworthy.switchboard.files import sent
from scaleworthy.switchboard.paging import WantedPage
from scaleworthy.switchboard.queries import files
from scaleworthy.switchboard.queries import listings as sql
from scaleworthy.switchboard.refusal import Refusal, not_found
from scaleworthy.switchboard.request import AnyCaller

router = APIRouter(tags=["recordings"])


@router.get("/recordings", response_model=None)
async def list_recordings(caller: AnyCaller, page: WantedPage) -> Any:
    """List recordings, newest first, each with its call's number and lead."""
    statement = page.statement(caller.service.shape.paging, sql.RECORDINGS)
    [rows] = await caller.run(statement)
    return caller.service.answer({"tenant_id": caller.tenant.id, **page.shown("recordings", sql.RECORDINGS, rows)})


@router.get("/recordings/{recording_id}/audio", response_model=None)
async def download_recording(
    caller: AnyCaller, request: Request, recording_id: Annotated[int, Path(ge=1, le=2**63 - 1)]
) -> Response:
    """Send a recording's sound; 404 `no_audio` where the call was reported and not heard here."""
    values = {"id": recording_id}
    recordings, found = await caller.run(Statement(files.RECORDING, values), Statement(files.OF_RECORDING, values))
    if not recordings:
        raise not_found("recording", recording_id)
    if not found:
        raise Refusal(
            404, "no_audio", f"recording {recording_id} has no sound: its call had no media stream that kept it"
        )
    return sent(caller, request, found[0])
