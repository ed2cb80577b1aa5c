"""The changes of a logical replication slot, as they are committed: psycopg's connection speaks, this reads its copy stream."""

from __future__ import annotations

import asyncio
import struct
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

import psycopg
from psycopg import pq
from psycopg.conninfo import conninfo_to_dict

from scaleworthy.errors import ScaleworthyError
from scaleworthy.runtime.invalidation.pace import Pace
from scaleworthy.runtime.invalidation.pgoutput import EPOCH_US, Begin, Change, Commit, Decoder

# What a reader says of itself, so that the server keeps no more log than it must, and knows that it lives.
_STATUS_LEAST_S, _STATUS_MOST_S = 0.25, 3.0
# A reader that says nothing for so long is given up by the server, and another may read: one whose machine is gone, or that hangs.
_READER_GONE = "10s"
_CHANGES_MOST = 500

_NO_SUCH_OBJECT, _NOT_IN_STATE, _NO_SUCH_FILE, _IN_USE = "42704", "55000", "58P01", "55006"


class SlotBusy(ScaleworthyError):
    """Another process of the fleet reads the slot."""


class SlotLost(ScaleworthyError):
    """The slot is gone, or the log it needs is: what changed meanwhile cannot be known."""


class SlotUnreadable(SlotLost):
    """The server says so when it is read, however well it looks."""


@dataclass(slots=True)
class Batch:
    """Changes that came together, of one transaction or several, or part of one: all are committed."""

    changes: list[Change] = field(default_factory=list)
    position: int = 0
    """Who has replayed up to it has seen all the changes."""
    complete: int = 0
    """Up to it nothing more comes; 0: not known yet."""
    transactions: int = 0
    committed_us: int | None = None
    """When the oldest of its transactions was committed, by the server's clock."""


class ChangeStream:
    """A slot of the database at *dsn*, read by one connection. `async with` begins to read it.

    While many change, what comes within *together_s* is one batch (pace.py).

    Raises:
        SlotBusy, SlotLost: When it is begun.
    """

    def __init__(self, dsn: str, *, slot: str, publication: str, together_s: float) -> None:
        self._dsn = dsn
        self._slot = slot
        self._publication = publication
        self._pace = Pace(together_s)
        self._connection: psycopg.AsyncConnection[tuple[object, ...]] | None = None
        self._seen = 0
        self._said = 0
        self._said_at = 0.0
        self._committing: int | None = None

    async def __aenter__(self) -> Self:
        given = conninfo_to_dict(self._dsn).get("options") or ""
        connection = await psycopg.AsyncConnection.connect(
            self._dsn,
            autocommit=True,
            connect_timeout=5,
            replication="database",
            application_name=f"slot {self._slot}",
            options=f"{given} -c wal_sender_timeout={_READER_GONE}",
        )
        self._connection = connection
        options = f"(proto_version '1', publication_names '\"{self._publication}\"')"
        try:
            await self._begin(connection.pgconn, f'START_REPLICATION SLOT "{self._slot}" LOGICAL 0/0 {options}')
        except BaseException:
            await connection.close()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._connection is not None
        with suppress(psycopg.Error):
            # Who reads next begins where this one ends.
            self._status(at_once=True)
        await self._connection.close()

    async def batches(self) -> AsyncIterator[Batch]:
        """Yield what changed in published tables, in the order of commits: all that has come since the last batch, at most 500 changes.

        Raises:
            psycopg.OperationalError: The connection is lost.
            SlotLost: The slot or its publication is gone.
        """
        assert self._connection is not None
        pgconn, decoder, batch, next_at = self._connection.pgconn, Decoder(), Batch(), 0.0
        while True:
            size, data = pgconn.get_copy_data(1)
            if size > 0:
                self._take(bytes(data), decoder, batch)
            elif size < 0:
                raise _ended(pgconn.get_result(), f"the slot {self._slot} cannot be read")
            if batch.complete or batch.changes:
                if size > 0 and len(batch.changes) < _CHANGES_MOST:
                    continue
                next_at = self._pace.next_at(time.monotonic(), batch.transactions)
                yield batch
                batch = Batch()
            if size == 0:
                self._status()
                await _until_readable(pgconn, within_s=_STATUS_LEAST_S if self._seen > self._said else _STATUS_MOST_S)
                while (wait_s := next_at - time.monotonic()) > 0:
                    await asyncio.sleep(min(wait_s, _STATUS_MOST_S))
                    self._status()
                pgconn.consume_input()

    def done(self, position: int) -> None:
        """Say that all up to *position* has been dealt with: the server need not keep it."""
        self._seen = max(self._seen, position)
        self._status()

    def _take(self, body: bytes, decoder: Decoder, batch: Batch) -> None:
        if body[:1] == b"k":
            end, _, wanted = struct.unpack_from(">QQB", body, 1)
            if self._committing is None:
                # All before it has come, or was none of ours.
                batch.complete = max(batch.complete, end)
            if wanted:
                self._status(at_once=True)
        elif body[:1] == b"w":
            for said in decoder.decode(body[25:]):
                if isinstance(said, Begin):
                    # The record of the commit begins there: who has replayed beyond that has replayed it.
                    self._committing = said.final_position + 1
                elif isinstance(said, Commit):
                    self._committing = None
                    batch.complete = batch.position = said.end_position
                    batch.transactions += 1
                    batch.committed_us = batch.committed_us or said.committed_us
                else:
                    batch.changes.append(said)
                    batch.position = max(batch.position, self._committing or 0)

    async def _begin(self, pgconn: pq.abc.PGconn, command: str) -> None:
        pgconn.send_query(command.encode())
        while pgconn.flush():  # noqa: ASYNC110 (libpq tells by being asked)
            await asyncio.sleep(0)
        while pgconn.is_busy():
            await _until_readable(pgconn, within_s=_STATUS_MOST_S)
            pgconn.consume_input()
        result = pgconn.get_result()
        if result is None or result.status != pq.ExecStatus.COPY_BOTH:
            raise _ended(result, f"the slot {self._slot} cannot be read")

    def _status(self, *, at_once: bool = False) -> None:
        assert self._connection is not None
        now = time.monotonic()
        wait_s = _STATUS_LEAST_S if self._seen > self._said else _STATUS_MOST_S
        if not at_once and now - self._said_at < wait_s:
            return
        pgconn = self._connection.pgconn
        now_us = time.time_ns() // 1_000 - EPOCH_US
        pgconn.put_copy_data(struct.pack(">cQQQQB", b"r", self._seen, self._seen, self._seen, now_us, 0))
        pgconn.flush()
        self._said, self._said_at = self._seen, now


def _ended(result: pq.abc.PGresult | None, what: str) -> Exception:
    if result is None:
        return psycopg.OperationalError("the server ended the stream")
    text = result.error_message.decode(errors="replace").strip() or "the server ended the stream"
    state = (result.error_field(pq.DiagnosticField.SQLSTATE) or b"").decode()
    if state == _IN_USE:
        return SlotBusy(f"another process reads it: {text}")
    if state in (_NO_SUCH_OBJECT, _NOT_IN_STATE, _NO_SUCH_FILE):
        return SlotUnreadable(f"{what}: {text.partition(chr(10))[0]}")
    return psycopg.OperationalError(text)


async def _until_readable(pgconn: pq.abc.PGconn, *, within_s: float) -> None:
    # Watched only while it is waited for: the loop would wake for what came meanwhile again and again.
    loop, ready, socket = asyncio.get_running_loop(), asyncio.Event(), pgconn.socket
    loop.add_reader(socket, ready.set)
    try:
        async with asyncio.timeout(within_s):
            await ready.wait()
    except TimeoutError:
        pass
    finally:
        loop.remove_reader(socket)
