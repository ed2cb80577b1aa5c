"""Campaigns: what a tenant does to win leads."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from scaleworthy.switchboard.database import Statement
from scaleworthy.switchboard.queries import listings as sql
from scaleworthy.switchboard.request import AnyCaller

router = APIRouter(tags=["campaigns"])


@router.get("/campaigns", response_model=None)
async def list_campaigns(caller: AnyCaller) -> Any:
    """List campaigns with the number of leads each brought."""

    async def compute() -> dict[str, Any]:
        [rows] = await caller.run(Statement(sql.CAMPAIGNS))
        return {"tenant_id": caller.tenant.id, "campaigns": rows}

    return await caller.cached("campaigns", compute, of=["campaigns", "leads"])
