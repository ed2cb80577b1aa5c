"""A connection that can run statements in one message (message.py), and be asked and cut without a round trip."""

from __future__ import annotations

import os
import select
import socket
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Self

from psycopg import AsyncConnection, AsyncCursor
from psycopg.sql import Composable

from scaleworthy.runtime.database.message import Messages
from scaleworthy.runtime.database.tenancy import Row, Statement
from scaleworthy.runtime.database.watching import Watching


class MessageConnection(AsyncConnection[Any]):
    """psycopg's connection, with `run`.

    Attributes:
        messages: What it has prepared, and whether it prepares.
        watching: Who is told of each statement that a cursor executes; None: nobody.
    """

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.messages = Messages(self)
        self.watching: Watching | None = None
        self.cursor_factory = WatchedCursor

    @property
    def ended_by_server(self) -> bool:
        """Whether the server has closed this idle connection: asked of the socket, without a round trip."""
        if self.closed:
            return True
        poll = select.poll()
        poll.register(self.pgconn.socket, select.POLLRDHUP)
        return bool(poll.poll(0))

    def cut(self) -> None:
        """End the connection from outside the task that waits on it; that task is told that it is gone."""
        if not self.closed:
            # The other side may have ended it already.
            with socket.socket(fileno=os.dup(self.pgconn.socket)) as alias, suppress(OSError):
                alias.shutdown(socket.SHUT_RDWR)

    async def run(self, transaction: Sequence[Statement], *, then: Statement | None = None) -> list[list[Row]]:
        """Run *transaction* as one, and *then* after it has committed; return the rows of each statement, *then*'s last.

        Cancelled, it cancels the statement on the server too.

        Raises:
            psycopg.Error: A statement failed; nothing of the transaction is left, and nothing of its settings.
        """
        return await self.messages.run(transaction, then)


class WatchedCursor(AsyncCursor[Any]):
    """psycopg's cursor; its connection's `watching` is told how long each statement took."""

    async def execute(self, query: Any, params: Any = None, **named: Any) -> Self:
        """Execute *query* as psycopg does."""
        connection = self.connection
        watching = connection.watching if isinstance(connection, MessageConnection) else None
        if watching is None:
            return await super().execute(query, params, **named)
        began_ns = watching.now_ns()
        try:
            return await super().execute(query, params, **named)
        finally:
            watching.took([Statement(_text_of(query, connection))], began_ns)


def _text_of(query: Any, connection: AsyncConnection[Any]) -> str:
    if isinstance(query, Composable):
        return query.as_string(connection)
    return query.decode("utf-8", "replace") if isinstance(query, bytes) else str(query)
