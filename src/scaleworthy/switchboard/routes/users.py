"""Users: a tenant's own people."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from scaleworthy.switchboard.database import Statement
from scaleworthy.switchboard.queries import listings as sql
from scaleworthy.switchboard.request import AnyCaller

router = APIRouter(tags=["users"])


@router.get("/users", response_model=None)
async def list_users(caller: AnyCaller) -> Any:
    """List users."""
    [rows] = await caller.run(Statement(sql.USERS))
    return caller.service.answer({"tenant_id": caller.tenant.id, "users": rows})
