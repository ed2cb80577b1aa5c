"""Has everything been published, and what may be?"""

from __future__ import annotations

from typing import Any

from psycopg import AsyncConnection

from scaleworthy.runtime.events import outbox
from waiting import until


async def emptied(connection: AsyncConnection[Any]) -> bool:
    """Say whether no event waits in the outbox."""
    return (await outbox.lag(connection))[0] == 0


async def waiting(connection: AsyncConnection[Any], expected: int) -> list[Any]:
    """Return the payloads of what may be published, once it is so many: the server's own transactions (ANALYZE) hold events back too."""

    async def all_of_them() -> list[Any]:
        events = await outbox.waiting(connection, most=expected + 1)
        return [event.payload for event in events] if len(events) >= expected else []

    return await until(all_of_them, f"{expected} events may be published")
