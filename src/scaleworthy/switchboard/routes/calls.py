"""Calls: start one, end one. Fields a telephony provider adds of its own are let through and not read."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter
from pydantic import AliasChoices, BaseModel, Field, StringConstraints

from scaleworthy.switchboard.database import Statement
from scaleworthy.switchboard.queries import calls as sql
from scaleworthy.switchboard.refusal import not_found, unprocessable
from scaleworthy.switchboard.request import AnyCaller

router = APIRouter(tags=["calls"])

Id = Annotated[int, Field(ge=1, le=2**63 - 1)]
PhoneNumber = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=3, max_length=40, pattern=r"^[+0-9() .\-]+$")
]


class CallStart(BaseModel):
    """Whom to call, or who calls; the lead is found by the number when it is not given."""

    phone_number: PhoneNumber = Field(validation_alias=AliasChoices("phone_number", "phoneNumber", "phone", "to"))
    direction: Literal["inbound", "outbound"] = "outbound"
    lead_id: Id | None = Field(None, validation_alias=AliasChoices("lead_id", "leadId"))


class CallEnd(BaseModel):
    """Which call ended, and how."""

    call_id: Id = Field(validation_alias=AliasChoices("call_id", "callId", "id"))
    status: Literal["completed", "no_answer", "failed", "voicemail"] = "completed"
    duration_s: Annotated[int, Field(ge=0, le=86_400)] | None = Field(
        None, validation_alias=AliasChoices("duration_s", "duration")
    )


@router.post("/calls/start", status_code=201, response_model=None)
async def start_call(caller: AnyCaller, call: CallStart) -> Any:
    """Start a call; the answer says how many are active now."""
    values = call.model_dump() | {"tenant_id": caller.tenant.id, "now": caller.service.now()}
    started, active = await caller.run(Statement(sql.START, values), Statement(sql.ACTIVE))
    if not started:
        raise unprocessable("body.lead_id", "this tenant has no such lead")
    return caller.service.answer({**started[0], "active_calls": active[0]["active"]}, 201)


@router.post("/calls/end", response_model=None)
async def end_call(caller: AnyCaller, call: CallEnd) -> Any:
    """End a call. Providers report an end more than once: the second time changes nothing and is answered alike."""
    values = {"id": call.call_id, "status": call.status, "duration_s": call.duration_s, "now": caller.service.now()}
    ended, seen = await caller.run(Statement(sql.END, values), Statement(sql.ONE, values))
    if not seen:
        raise not_found("call", call.call_id)
    return caller.service.answer({**seen[0], "ended_now": bool(ended)})
