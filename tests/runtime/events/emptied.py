"""Has everything been published?"""

from __future__ import annotations

from typing import Any

from psycopg import AsyncConnection

from scaleworthy.runtime.events import outbox


async def emptied(connection: AsyncConnection[Any]) -> bool:
    """Say whether no event waits in the outbox."""
    return (await outbox.lag(connection))[0] == 0
