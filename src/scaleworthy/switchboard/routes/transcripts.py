"""What was said in a call. Who hears it (a transcriber, or our own scripted replies) reports it line by line."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from pydantic import AliasChoices, BaseModel, ConfigDict, Field, StringConstraints

from scaleworthy.switchboard.database import Statement
from scaleworthy.switchboard.queries import calls
from scaleworthy.switchboard.queries import voice as sql
from scaleworthy.switchboard.refusal import Refusal, not_found
from scaleworthy.switchboard.request import AnyCaller

router = APIRouter(tags=["calls"])

Id = Annotated[int, Field(ge=1, le=2**63 - 1)]
_DAY_MS = 86_400_000


class Line(BaseModel):
    """What one side said, and when, in milliseconds since the call began."""

    model_config = ConfigDict(extra="forbid")

    speaker: Literal["caller", "agent"]
    at_ms: Annotated[int, Field(ge=0, le=_DAY_MS)]
    said: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=2000)]


class Lines(BaseModel):
    """Lines to add to a call's transcript."""

    call_id: Id = Field(validation_alias=AliasChoices("call_id", "callId"))
    lines: Annotated[list[Line], Field(min_length=1, max_length=200)]


@router.get("/calls/transcript", response_model=None)
async def get_transcript(caller: AnyCaller, call_id: Annotated[int, Query(ge=1, le=2**63 - 1)]) -> Any:
    """Show what was said in a call, in order, and how its media streams went."""
    values = {"id": call_id}
    seen, lines, streams = await caller.run(
        Statement(calls.ONE, values), Statement(sql.LINES, values), Statement(sql.STREAMS, values)
    )
    if not seen:
        raise not_found("call", call_id)
    return caller.service.answer(
        {"tenant_id": caller.tenant.id, "call": seen[0], "lines": lines, "media_streams": streams}
    )


@router.post("/calls/transcript", status_code=201, response_model=None)
async def add_lines(caller: AnyCaller, given: Lines) -> Any:
    """Add lines to a call's transcript, all or none; a call has at most a thousand."""
    values = {
        "tenant_id": caller.tenant.id,
        "id": given.call_id,
        "speakers": [line.speaker for line in given.lines],
        "at_ms": [line.at_ms for line in given.lines],
        "said": [line.said for line in given.lines],
        "count": len(given.lines),
    }
    seen, added = await caller.run(Statement(calls.ONE, values), Statement(sql.ADD, values))
    if not seen:
        raise not_found("call", given.call_id)
    if not added:
        raise Refusal(409, "transcript_full", f"a transcript has at most {sql.LINES_MAX} lines")
    return caller.service.answer({"tenant_id": caller.tenant.id, "call_id": given.call_id, "added": len(added)}, 201)
