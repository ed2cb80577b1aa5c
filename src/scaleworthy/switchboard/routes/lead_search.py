"""Search for leads: by words of names and companies, or by a piece of a name, a company, an address or a number."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import StringConstraints

from scaleworthy.switchboard.database import Statement
from scaleworthy.switchboard.queries import lead_search as sql
from scaleworthy.switchboard.request import AnyCaller
from scaleworthy.switchboard.routes.leads import as_shown, fill_each

router = APIRouter(tags=["leads"])

Wanted = Annotated[str, StringConstraints(strip_whitespace=True, min_length=2, max_length=100), Query()]


@router.get("/leads/search", response_model=None)
async def search_leads(caller: AnyCaller, q: Wanted, limit: Annotated[int, Query(ge=1, le=100)] = 20) -> Any:
    """List the newest leads in whose name and company all words of *q* begin a word, or in which *q* stands, in any case."""
    shape = caller.service.shape
    values = {"pattern": sql.pattern(q), "words": sql.words(q), "rows": limit}
    [rows] = await caller.run(Statement(sql.SEARCH[shape.search, shape.lead_list], values))
    if shape.lead_list == "per lead":
        await fill_each(caller, rows)
    return caller.service.answer(
        {"tenant_id": caller.tenant.id, "query": q, "leads": [as_shown(row) for row in rows], "limit": limit}
    )
