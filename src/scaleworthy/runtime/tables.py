"""Tables that a part makes for itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from psycopg import AsyncConnection


async def make(connection: AsyncConnection[Any], statements: str) -> None:
    """Run *statements* of the kind `create … if not exists`; processes that begin together run them one after another.

    Two who create the same table at once both find that there is none, and one fails.
    """
    async with connection.transaction():
        await connection.execute("select pg_advisory_xact_lock(hashtextextended('scaleworthy tables', 0))")
        await connection.execute(statements)
