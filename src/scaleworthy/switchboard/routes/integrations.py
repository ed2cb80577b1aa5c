"""Tasks in the other service: made there at once where it takes them, queued where it does not."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Path
from pydantic import AliasChoices, AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints

from scaleworthy.switchboard.database import Statement
from scaleworthy.switchboard.queries import tasks as sql
from scaleworthy.switchboard.refusal import not_found, unprocessable
from scaleworthy.switchboard.request import AnyCaller

router = APIRouter(tags=["integrations"])

Id = Annotated[int, Field(ge=1, le=2**63 - 1)]


class NewTask(BaseModel):
    """What is to be done."""

    model_config = ConfigDict(extra="forbid")

    title: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)] = Field(
        validation_alias=AliasChoices("title", "name")
    )
    notes: Annotated[str, StringConstraints(max_length=2000)] = ""
    lead_id: Id | None = Field(None, validation_alias=AliasChoices("lead_id", "leadId"))
    due_at: Annotated[datetime, AwareDatetime] | None = None


@router.post("/integrations/asana/tasks", status_code=201, response_model=None)
async def create_task(caller: AnyCaller, task: NewTask) -> Any:
    """Make a task there: 201 with its `remote_id`, or 202 `queued` with the reason, and it is made when the other service takes it."""
    service = caller.service
    values = task.model_dump() | {
        "tenant_id": caller.tenant.id,
        "now": service.now(),
        "lease": service.deliveries.lease(),
    }
    [created] = await caller.run(Statement(sql.CREATE, values))
    if not created:
        raise unprocessable("body.lead_id", "this tenant has no such lead")
    sent = await service.deliveries.send(caller.tenant.id, created[0])
    return service.answer(sent, 201 if sent["delivery"] == "delivered" else 202)


@router.get("/integrations/asana/tasks/{task_id}", response_model=None)
async def get_task(caller: AnyCaller, task_id: Annotated[int, Path(ge=1, le=2**63 - 1)]) -> Any:
    """Show a task, and whether the other service has it."""
    [rows] = await caller.run(Statement(sql.ONE, {"id": task_id}))
    if not rows:
        raise not_found("task", task_id)
    return caller.service.answer(rows[0])
