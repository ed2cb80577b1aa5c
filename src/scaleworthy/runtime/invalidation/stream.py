"""The changes of a logical replication slot, as they are committed: psycopg's connection speaks, this reads its copy stream."""

from __future__ import annotations

import asyncio
import struct
import time
from collections.abc import AsyncIterator
from types import TracebackType
from typing import Self

import psycopg
from psycopg import pq

from scaleworthy.errors import ScaleworthyError
from scaleworthy.runtime.invalidation.pgoutput import Begin, Change, Commit, Decoder

# PostgreSQL counts microseconds from 2000.
_EPOCH_S = 946_684_800
# The server gives a reader up after wal_sender_timeout, 60 s by default.
_STATUS_EVERY_S = 10.0


class SlotBusy(ScaleworthyError):
    """Another process of the fleet reads the slot."""


class SlotLost(ScaleworthyError):
    """The slot is gone, or the log it needs is: what changed meanwhile cannot be known."""


class Transaction:
    """What a transaction changed; who has replayed up to *position* has seen it."""

    __slots__ = ("changes", "position")

    def __init__(self, position: int, changes: list[Change]) -> None:
        self.position = position
        self.changes = changes


class ChangeStream:
    """A slot of the database at *dsn*, read by one connection. `async with` begins to read it.

    Raises:
        SlotBusy, SlotLost: When it is begun.
    """

    def __init__(self, dsn: str, *, slot: str, publication: str) -> None:
        self._dsn = dsn
        self._slot = slot
        self._publication = publication
        self._connection: psycopg.AsyncConnection[tuple[object, ...]] | None = None
        self._readable = asyncio.Event()
        self._seen = 0
        self._within_transaction = False
        self._status_at = 0.0

    async def __aenter__(self) -> Self:
        connection = await psycopg.AsyncConnection.connect(
            self._dsn, autocommit=True, connect_timeout=5, replication="database", application_name=f"slot {self._slot}"
        )
        self._connection = connection
        options = f"(proto_version '1', publication_names '\"{self._publication}\"')"
        try:
            await self._begin(connection.pgconn, f'START_REPLICATION SLOT "{self._slot}" LOGICAL 0/0 {options}')
        except BaseException:
            await connection.close()
            raise
        asyncio.get_running_loop().add_reader(connection.pgconn.socket, self._readable.set)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._connection is not None
        asyncio.get_running_loop().remove_reader(self._connection.pgconn.socket)
        await self._connection.close()

    async def transactions(self) -> AsyncIterator[Transaction]:
        """Yield each transaction that changed a published table, in the order of their commits.

        Raises:
            psycopg.OperationalError: The connection is lost.
        """
        decoder, changes = Decoder(), list[Change]()
        async for message in self._messages():
            for said in decoder.decode(message):
                if isinstance(said, Begin):
                    changes, self._within_transaction = [], True
                elif isinstance(said, Commit):
                    self._within_transaction = False
                    yield Transaction(said.end_position, changes)
                else:
                    changes.append(said)

    def done(self, position: int) -> None:
        """Say that all up to *position* has been dealt with: the server need not keep it."""
        self._seen = max(self._seen, position)
        self._status()

    async def _begin(self, pgconn: pq.abc.PGconn, command: str) -> None:
        pgconn.send_query(command.encode())
        while pgconn.flush():  # noqa: ASYNC110 (libpq tells by being asked)
            await asyncio.sleep(0)
        while pgconn.is_busy():
            await _until_readable(pgconn)
            pgconn.consume_input()
        result = pgconn.get_result()
        if result is not None and result.status == pq.ExecStatus.COPY_BOTH:
            return
        text = "no answer" if result is None else result.error_message.decode(errors="replace").strip()
        state = None if result is None else result.error_field(pq.DiagnosticField.SQLSTATE)
        if state == b"55006":
            raise SlotBusy(f"another process reads the slot {self._slot}: {text}")
        if state in (b"42704", b"55000", b"58P01"):
            raise SlotLost(f"the slot {self._slot} cannot be read: {text}")
        raise psycopg.OperationalError(text)

    async def _messages(self) -> AsyncIterator[bytes]:
        assert self._connection is not None
        pgconn = self._connection.pgconn
        while True:
            size, data = pgconn.get_copy_data(1)
            if size > 0:
                body = bytes(data)
                if body[:1] == b"w":
                    yield body[25:]
                elif body[:1] == b"k":
                    end, _, wanted = struct.unpack_from(">QQB", body, 1)
                    if not self._within_transaction:
                        # All before it has been yielded and dealt with, or was none of ours: it need not be kept for us.
                        self._seen = max(self._seen, end)
                    if wanted:
                        self._status()
            elif size == 0:
                self._readable.clear()
                if time.monotonic() - self._status_at > _STATUS_EVERY_S:
                    self._status()
                try:
                    async with asyncio.timeout(_STATUS_EVERY_S):
                        await self._readable.wait()
                except TimeoutError:
                    continue
                pgconn.consume_input()
            else:
                result = pgconn.get_result()
                text = "" if result is None else result.error_message.decode(errors="replace").strip()
                raise psycopg.OperationalError(text or "the server ended the stream")

    def _status(self) -> None:
        assert self._connection is not None
        pgconn = self._connection.pgconn
        now_us = int((time.time() - _EPOCH_S) * 1e6)
        pgconn.put_copy_data(struct.pack(">cQQQQB", b"r", self._seen, self._seen, self._seen, now_us, 0))
        pgconn.flush()
        self._status_at = time.monotonic()


async def _until_readable(pgconn: pq.abc.PGconn) -> None:
    loop, ready = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(pgconn.socket, ready.set)
    try:
        await ready.wait()
    finally:
        loop.remove_reader(pgconn.socket)
