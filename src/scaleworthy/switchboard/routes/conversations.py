"""Conversations: what was asked of the council or by voice, and what was answered."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path

from scaleworthy.switchboard.database import Statement
from scaleworthy.switchboard.paging import WantedPage
from scaleworthy.switchboard.queries import conversations as sql
from scaleworthy.switchboard.refusal import not_found
from scaleworthy.switchboard.request import AnyCaller

router = APIRouter(tags=["conversations"])


@router.get("/conversations", response_model=None)
async def list_conversations(caller: AnyCaller, page: WantedPage) -> Any:
    """List conversations, newest first, each with its number of turns and the tokens they used."""
    statement = page.statement(caller.service.shape.paging, sql.LIST)
    [rows] = await caller.run(statement)
    return caller.service.answer({"tenant_id": caller.tenant.id, **page.shown("conversations", sql.LIST, rows)})


@router.get("/conversations/{conversation_id}", response_model=None)
async def get_conversation(caller: AnyCaller, conversation_id: Annotated[int, Path(ge=1, le=2**63 - 1)]) -> Any:
    """Show a conversation with its turns in order."""
    values = {"id": conversation_id}
    seen, turns = await caller.run(Statement(sql.ONE, values), Statement(sql.TURNS, values))
    if not seen:
        raise not_found("conversation", conversation_id)
    return caller.service.answer({**seen[0], "turns": turns})
