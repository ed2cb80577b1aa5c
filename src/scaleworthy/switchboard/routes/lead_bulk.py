"""Leads in bulk: up to a thousand created or changed by one request; each that cannot be is named with its reason."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from scaleworthy.switchboard.lead_bulk import Failed, LeadWrites
from scaleworthy.switchboard.request import AnyCaller, Caller
from scaleworthy.switchboard.routes.leads import Id, LeadChange, NewLead

router = APIRouter(tags=["leads"])

LEADS_MOST = 1_000


class ChangedLead(LeadChange):
    """Which lead, and the fields of it to set."""

    id: Id


class Leads(BaseModel):
    """Leads, each looked at by itself. Good ones are kept where others are bad, unless all or nothing is wanted."""

    model_config = ConfigDict(extra="forbid")

    leads: Annotated[list[dict[str, Any]], Field(min_length=1, max_length=LEADS_MOST)]
    all_or_nothing: bool = False


class _TakeBack(Exception):
    """Roll the transaction back."""


@router.post("/leads/bulk", response_model=None)
async def create_leads(caller: AnyCaller, given: Leads) -> Any:
    """Create leads, each with its first activity."""
    return await _write(caller, given, NewLead)


@router.put("/leads/bulk", response_model=None)
async def change_leads(caller: AnyCaller, given: Leads) -> Any:
    """Set the fields given of each lead, which is named by its `id`."""
    return await _write(caller, given, ChangedLead)


async def _write(caller: Caller, given: Leads, kind: type[LeadChange]) -> Any:
    service = caller.service
    good, failed = _validated(given, kind)
    try:
        if good and not (failed and given.all_or_nothing):
            async with service.database.transaction(caller.tenant.id) as connection:
                writes = LeadWrites(connection, caller.tenant.id, service.now(), service.shape.bulk_writes)
                failed |= await (writes.create(good) if kind is NewLead else writes.change(good))
                if failed and given.all_or_nothing:
                    raise _TakeBack
    except _TakeBack:
        pass
    kept = 0 if failed and given.all_or_nothing else len(given.leads) - len(failed)
    return service.answer(
        {
            "tenant_id": caller.tenant.id,
            "successful": kept,
            "failed": len(given.leads) - kept,
            "errors": [{"index": index, "reason": reason} for index, reason in sorted(failed.items())],
        }
    )


def _validated(given: Leads, kind: type[LeadChange]) -> tuple[dict[int, dict[str, Any]], Failed]:
    """Return the values of those that are leads by their looks, by index, and what is wrong with the others."""
    good: dict[int, dict[str, Any]] = {}
    failed: Failed = {}
    named: set[int] = set()
    for index, lead in enumerate(given.leads):
        try:
            read = kind.model_validate(lead)
        except ValidationError as error:
            problems = error.errors(include_url=False, include_context=False, include_input=False)
            failed[index] = "; ".join(
                f"{'.'.join(str(part) for part in problem['loc'])}: {problem['msg']}" for problem in problems[:5]
            )
            continue
        if isinstance(read, ChangedLead):
            if read.id in named:
                failed[index] = f"id: lead {read.id} is given twice"
                continue
            named.add(read.id)
            good[index] = read.model_dump(include=read.model_fields_set)
        else:
            good[index] = read.model_dump()
    return good, failed
