"""Leads: list, statistics, create, read, change, delete."""

from __future__ import annotations

from collections import Counter
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Response
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from scaleworthy.switchboard.database import Row, Statement
from scaleworthy.switchboard.paging import WantedPage
from scaleworthy.switchboard.queries import leads as sql
from scaleworthy.switchboard.refusal import not_found, unprocessable
from scaleworthy.switchboard.request import AnyCaller, Caller

router = APIRouter(tags=["leads"])

_Line = StringConstraints(strip_whitespace=True, min_length=1, max_length=200)
Line = Annotated[str, _Line]
Status = Literal["new", "contacted", "qualified", "won", "lost"]
Source = Literal["web", "phone", "referral", "import", "event"]
Id = Annotated[int, Field(ge=1, le=2**63 - 1)]
PathId = Annotated[int, Path(ge=1, le=2**63 - 1)]


class LeadChange(BaseModel):
    """Fields of a lead to set; those left out stay as they are."""

    model_config = ConfigDict(extra="forbid")

    name: Line = "unnamed"
    email: Annotated[str, StringConstraints(max_length=320, pattern=r"^[^@\s]+@[^@\s]+$")] | None = None
    phone: Annotated[str, StringConstraints(max_length=40, pattern=r"^[+0-9() .\-]+$")] | None = None
    company: Line | None = None
    status: Status = "new"
    source: Source = "web"
    score: Annotated[int, Field(ge=0, le=100)] = 0
    value_cents: Annotated[int, Field(ge=0, le=10**12)] = 0
    owner_id: Id | None = None
    campaign_id: Id | None = None


class NewLead(LeadChange):
    """A lead to create: a name, and whatever else is known."""

    name: Line


@router.get("/leads", response_model=None)
async def list_leads(caller: AnyCaller, page: WantedPage, status: Status | None = None) -> Any:
    """List leads, newest first, each with its owner and last activity."""
    shape = caller.service.shape
    leads = sql.LISTS[shape.lead_list]
    only = "" if status is None else sql.OF_STATUS
    [rows] = await caller.run(page.statement(shape.paging, leads, only=only, values={"status": status}))
    shown = page.shown("leads", leads, rows)
    if shape.lead_list == "per lead":
        await fill_each(caller, shown["leads"])
    shown["leads"] = [as_shown(row) for row in shown["leads"]]
    return caller.service.answer({"tenant_id": caller.tenant.id, **shown})


@router.get("/leads/statistics", response_model=None)
async def lead_statistics(caller: AnyCaller) -> Any:
    """Count leads by status and source."""

    async def compute() -> dict[str, Any]:
        [rows] = await caller.run(Statement(sql.BREAKDOWN))
        total = sum(row["leads"] for row in rows)
        return {
            "tenant_id": caller.tenant.id,
            "total": total,
            "by_status": count_by(rows, "status"),
            "by_source": count_by(rows, "source"),
            "value_cents": sum(row["value_cents"] for row in rows),
            "average_score": round(sum(row["scores"] for row in rows) / total, 1) if total else 0.0,
        }

    return await caller.cached("leads/statistics", compute, of=["leads"])


@router.post("/leads", status_code=201, response_model=None)
async def create_lead(caller: AnyCaller, lead: NewLead) -> Any:
    """Create a lead and its first activity."""
    values = lead.model_dump() | {"tenant_id": caller.tenant.id, "now": caller.service.now()}
    references, created = await caller.run(Statement(sql.REFERENCES, values), Statement(sql.CREATE, values))
    _require_references(references)
    return caller.service.answer(as_shown(created[0]), 201)


@router.get("/leads/{lead_id}", response_model=None)
async def get_lead(caller: AnyCaller, lead_id: PathId) -> Any:
    """Show a lead with its ten latest activities."""
    rows, activities = await caller.run(Statement(sql.ONE, {"id": lead_id}), Statement(sql.TIMELINE, {"id": lead_id}))
    if not rows:
        raise not_found("lead", lead_id)
    return caller.service.answer(as_shown(rows[0]) | {"activities": activities})


@router.put("/leads/{lead_id}", response_model=None)
async def change_lead(caller: AnyCaller, lead_id: PathId, lead: LeadChange) -> Any:
    """Set the fields given; those left out stay as they are."""
    values = lead.model_dump() | {"id": lead_id, "now": caller.service.now()}
    references, changed = await caller.run(
        Statement(sql.REFERENCES, values), Statement(sql.change(lead.model_fields_set), values)
    )
    _require_references(references)
    if not changed:
        raise not_found("lead", lead_id)
    return caller.service.answer(as_shown(changed[0]))


@router.delete("/leads/{lead_id}", status_code=204)
async def delete_lead(caller: AnyCaller, lead_id: PathId) -> Response:
    """Delete a lead and its activities; calls stay, without a lead."""
    [deleted] = await caller.run(Statement(sql.DELETE, {"id": lead_id}))
    if not deleted:
        raise not_found("lead", lead_id)
    return Response(status_code=204)


def count_by(rows: list[Row], column: str) -> dict[str, int]:
    """Return how many leads there are per value of *column*, by name."""
    counts: Counter[str] = Counter()
    for row in rows:
        counts[row[column]] += row["leads"]
    return dict(sorted(counts.items()))


async def fill_each(caller: Caller, rows: list[Row]) -> None:
    """Ask for the owner and the last activity of each lead on its own, as code that walks from object to object does."""
    if not rows:
        return
    statements = [Statement(text, row) for row in rows for text in (sql.OWNER, sql.LAST_ACTIVITY)]
    answers = await caller.run(*statements)
    nobody = {"owner_name": None, "owner_email": None}
    nothing = {"activity_kind": None, "activity_note": None, "activity_at": None}
    for row, owner, activity in zip(rows, answers[::2], answers[1::2], strict=True):
        row.update(owner[0] if owner else nobody)
        row.update(activity[0] if activity else nothing)


def as_shown(row: Row) -> dict[str, Any]:
    """Return a lead as shown: owner and last activity as objects of their own."""
    tenant_id = row["tenant_id"]
    owner = {"id": row["owner_id"], "tenant_id": tenant_id, "name": row["owner_name"], "email": row["owner_email"]}
    activity = {
        "id": row["last_activity_id"],
        "tenant_id": tenant_id,
        "kind": row["activity_kind"],
        "note": row["activity_note"],
        "occurred_at": row["activity_at"],
    }
    shown = ("name", "email", "phone", "company", "status", "source", "score", "value_cents", "campaign_id")
    return {
        "id": row["id"],
        "tenant_id": tenant_id,
        **{name: row[name] for name in shown},
        "owner": owner if row["owner_name"] is not None else None,
        "last_activity": activity if row["activity_kind"] is not None else None,
        "created_at": row["created_at"],
        "updated_at": row["updated_at"],
    }


def _require_references(rows: list[Row]) -> None:
    for field in ("owner_id", "campaign_id"):
        if not rows[0][field]:
            raise unprocessable(f"body.{field}", f"this tenant has no such {field.removesuffix('_id')}")
