"""What is known: found by what it is about, and put beside everything else an agent wants to see when a call comes."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, StringConstraints

from scaleworthy.switchboard.database import Row, Statement
from scaleworthy.switchboard.embedding import embed, written
from scaleworthy.switchboard.queries import knowledge as sql
from scaleworthy.switchboard.queries import leads
from scaleworthy.switchboard.refusal import not_found, unprocessable
from scaleworthy.switchboard.request import AnyCaller, Caller
from scaleworthy.switchboard.routes.leads import as_shown

router = APIRouter(tags=["knowledge"])

_NEAR_CONTEXT = 3

Id = Annotated[int | None, Query(ge=1, le=2**63 - 1)]


class Article(BaseModel):
    """Something to know."""

    model_config = ConfigDict(extra="forbid")

    title: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
    body: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=10_000)]


@router.get("/knowledge/search", response_model=None)
async def search(
    caller: AnyCaller,
    q: Annotated[str, Query(min_length=1, max_length=500)],
    limit: Annotated[int, Query(ge=1, le=50)] = 5,
) -> Any:
    """List the articles nearest to a question, nearest first; `score` is 1 for the same words and about 0 for none in common."""
    return caller.service.answer(
        {"tenant_id": caller.tenant.id, "query": q, "results": await _nearest(caller, q, limit)}
    )


@router.post("/knowledge", status_code=201, response_model=None)
async def add_article(caller: AnyCaller, article: Article) -> Any:
    """Add an article; the next search finds it."""
    values = article.model_dump() | {
        "tenant_id": caller.tenant.id,
        "vector": written(embed(f"{article.title} {article.title} {article.body}")),
        "now": caller.service.now(),
    }
    [added] = await caller.run(Statement(sql.ADD, values))
    return caller.service.answer(added[0], 201)


@router.get("/context", response_model=None)
async def context(
    caller: AnyCaller,
    phone: Annotated[str | None, Query(max_length=40)] = None,
    lead_id: Id = None,
    call_id: Id = None,
) -> Any:
    """Show what an agent wants to see when a call comes: the lead, its latest calls, its open tasks, and what may help.

    Exactly one of `phone`, `lead_id` and `call_id` says whose. A number that is nobody's is answered with `lead` null.
    """
    if sum(value is not None for value in (phone, lead_id, call_id)) != 1:
        raise unprocessable("query", "exactly one of phone, lead_id and call_id is expected")
    found = await _lead_of(caller, phone=phone, lead_id=lead_id, call_id=call_id)
    if found is None:
        return caller.service.answer(_shown(caller, None, [], [], []))
    values = {"id": found}
    lead, calls, tasks, said = await caller.run(
        *(Statement(text, values) for text in (leads.ONE, sql.CALLS, sql.TASKS, sql.LAST_SAID))
    )
    if not lead:
        raise not_found("lead", found)
    about = " ".join([*(line["said"] for line in said), *(task["title"] for task in tasks)]) or lead[0]["source"]
    return caller.service.answer(
        _shown(caller, as_shown(lead[0]), calls, tasks, await _nearest(caller, about[:500], _NEAR_CONTEXT))
    )


async def _lead_of(caller: Caller, *, phone: str | None, lead_id: int | None, call_id: int | None) -> int | None:
    if lead_id is not None:
        return lead_id
    if phone is not None:
        [rows] = await caller.run(Statement(sql.LEAD_OF_PHONE, {"phone": phone}))
        return rows[0]["id"] if rows else None
    [rows] = await caller.run(Statement(sql.LEAD_OF_CALL, {"call_id": call_id}))
    if not rows:
        raise not_found("call", call_id or 0)
    number: int | None = rows[0]["id"]
    return number


async def _nearest(caller: Caller, text: str, rows: int) -> list[Row]:
    values = {"vector": written(embed(text)), "rows": rows}
    _, found = await caller.run(Statement(sql.KEEP_SEARCHING), Statement(sql.NEAREST, values))
    return found


def _shown(
    caller: Caller, lead: dict[str, Any] | None, calls: list[Row], tasks: list[Row], knowledge: list[Row]
) -> dict[str, Any]:
    return {"tenant_id": caller.tenant.id, "lead": lead, "calls": calls, "tasks": tasks, "knowledge": knowledge}
