"""Recordings: what was said in a completed call, kept in object storage under `object_key`."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from scaleworthy.switchboard.paging import WantedPage
from scaleworthy.switchboard.queries import listings as sql
from scaleworthy.switchboard.request import AnyCaller

router = APIRouter(tags=["recordings"])


@router.get("/recordings", response_model=None)
async def list_recordings(caller: AnyCaller, page: WantedPage) -> Any:
    """List recordings, newest first, each with its call's number and lead."""
    statement = page.statement(
        caller.service.shape.paging, counted=sql.RECORDINGS_COUNTED, keyed=sql.RECORDINGS_KEYED, values={}
    )
    [rows] = await caller.run(statement)
    return caller.service.answer(
        {
            "tenant_id": caller.tenant.id,
            "recordings": rows[: page.limit],
            "limit": page.limit,
            "next": page.next_cursor(rows),
        }
    )
