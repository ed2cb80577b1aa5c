"""A database with an outbox, a table of leads and an inbox."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import psycopg
import pytest
from psycopg import AsyncConnection

from scaleworthy.runtime.events import inbox, outbox


@pytest.fixture
async def connection(database: str) -> AsyncIterator[AsyncConnection[Any]]:
    async with await psycopg.AsyncConnection.connect(database, autocommit=True) as opened:
        await outbox.create(opened)
        await inbox.create_inbox(opened)
        await opened.execute("create table if not exists handled (event uuid)")
        await opened.execute("truncate scaleworthy_outbox, scaleworthy_inbox, handled")
        yield opened
