"""Rows for the notes of `conftest`, and a way to look at a column."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from psycopg import AsyncConnection

OWN = """
drop table if exists own_notes;
create table own_notes (id int generated always as identity, tenant text, text text);
alter table own_notes enable row level security;
alter table own_notes force row level security;
create policy own on own_notes using (tenant = current_setting('app.current_tenant', true));
do $$ begin create role writer login; exception when duplicate_object then null; end $$;
grant select, insert on own_notes to writer;
"""


async def column(connection: AsyncConnection[Any], text: str) -> list[Any]:
    return [row[0] for row in await (await connection.execute(text.encode())).fetchall()]


def note(number: int, **changed: Any) -> dict[str, Any]:
    return {
        "code": f"c{number}",
        "score": number,
        "person": 1,
        "tags": ["a"],
        "at": datetime(2026, 1, 1, tzinfo=UTC),
    } | changed
