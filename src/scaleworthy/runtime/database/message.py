"""Statements in one message: sent together, each prepared once, answered together.

Question: what does a transaction of several statements cost, if not a round trip for each?
Answer:   PostgreSQL's extended protocol takes any number of statements before it is asked to answer (a Sync), and makes one transaction
          of them. psycopg's own pipeline costs more than the round trips it saves: each statement has a cursor and takes its locks. Here
          libpq's calls write and read the message. The second time a statement is run on a connection it is prepared: from then on it is
          neither parsed nor planned again, and the setting of the tenant costs next to nothing.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Generator, Sequence
from typing import Any

import psycopg
from psycopg import AsyncConnection, pq
from psycopg.adapt import PyFormat, Transformer
from psycopg.errors import error_from_result
from psycopg.waiting import Ready, Wait

from scaleworthy.runtime.database.placeholders import in_order, numbered
from scaleworthy.runtime.database.tenancy import Row, Statement

# What one connection keeps prepared; the least used goes first.
_PREPARED_MOST = 200
# Before 17 libpq cannot close a prepared statement, so nothing is prepared.
_CAN_CLOSE = pq.version() >= 170000
_STALE = (psycopg.errors.InvalidSqlStatementName, psycopg.errors.FeatureNotSupported)
_BROKEN = (pq.ExecStatus.FATAL_ERROR, pq.ExecStatus.COPY_IN, pq.ExecStatus.COPY_OUT, pq.ExecStatus.COPY_BOTH)

_Key = tuple[bytes, tuple[int, ...]]
_Sent = tuple[_Key, bytes] | bool
"""What was sent: a preparation (what, under which name), a statement (True), something without an answer of interest (False)."""


class Messages:
    """What one connection sends and has prepared.

    Attributes:
        prepares: Whether statements are prepared. Not behind a pooler that gives each transaction another server and does not know of
            prepared statements (PgBouncer before 1.21).
    """

    def __init__(self, connection: AsyncConnection[Any]) -> None:
        self.prepares = _CAN_CLOSE
        self._connection = connection
        # Statement and types → its name on the server; None: it was run once.
        self._prepared: OrderedDict[_Key, bytes | None] = OrderedDict()
        self._named = 0
        self._to_close: list[bytes] = []
        self._adapting = Transformer(connection)

    async def run(self, transaction: Sequence[Statement], then: Statement | None) -> list[list[Row]]:
        """Run *transaction*, then *then*; see `MessageConnection.run`."""
        try:
            return await self._run(transaction, then)
        except _STALE:
            # What was prepared is not there any more (a pooler changed servers), or its table has changed: anew, once. Nothing of the
            # transaction was kept.
            if not self._forget():
                raise
        return await self._run(transaction, then)

    async def _run(self, transaction: Sequence[Statement], then: Statement | None) -> list[list[Row]]:
        async with self._connection.lock:
            pgconn = self._connection.pgconn
            pgconn.enter_pipeline_mode()
            try:
                sent = [self._send(transaction)]
                pgconn.pipeline_sync()
                if then is not None:
                    # Not prepared: were it not there any more, the transaction before it could not be tried again.
                    pgconn.send_query_params(then.text.encode(), None)
                    pgconn.pipeline_sync()
                    sent.append([True])
                answers = await self._connection.wait(_exchange(pgconn, len(sent)))
                rows = self._read(sent, answers)
                pgconn.exit_pipeline_mode()
            except BaseException:
                self._leave_clean()
                raise
        return rows

    def _leave_clean(self) -> None:
        """Leave nothing half said on the connection: one that cannot is closed, and the pool opens another."""
        self._adapting.set_pgresult(None)
        try:
            self._connection.pgconn.exit_pipeline_mode()
        except psycopg.Error:
            self._connection.pgconn.finish()

    def _forget(self) -> bool:
        """Forget what was prepared; return whether anything was."""
        names = [name for name in self._prepared.values() if name is not None]
        self._to_close += names
        self._prepared.clear()
        return bool(names)

    def _send(self, statements: Sequence[Statement]) -> list[_Sent]:
        pgconn, prepared = self._connection.pgconn, self._prepared
        bound = [self._bound(statement) for statement in statements]
        sent: list[_Sent] = [False] * len(self._to_close)
        while self._to_close:
            pgconn.send_close_prepared(self._to_close.pop())
        for key, values, formats in bound:
            text, types = key
            if not self.prepares:
                pgconn.send_query_params(text, values, types, formats)
            elif key not in prepared:
                prepared[key] = None
                pgconn.send_query_params(text, values, types, formats)
                if len(prepared) > _PREPARED_MOST:
                    _, dropped = prepared.popitem(last=False)
                    self._to_close += [dropped] if dropped else []
            else:
                name = prepared[key]
                prepared.move_to_end(key)
                if name is None:
                    self._named += 1
                    name = b"scaleworthy_%d" % self._named
                    pgconn.send_prepare(name, text, types)
                    sent.append((key, name))
                pgconn.send_query_prepared(name, values, formats)
            sent.append(True)
        return sent

    def _bound(self, statement: Statement) -> tuple[_Key, Sequence[Any] | None, Sequence[pq.Format] | None]:
        if statement.values is None:
            return (statement.text.encode(), ()), None, None
        text, order = numbered(statement.text)
        values = in_order(order, statement.values)
        if not values:
            return (text, ()), None, None
        adapting = self._adapting
        dumped = adapting.dump_sequence(values, [PyFormat.AUTO] * len(values))
        return (text, tuple(adapting.types or ())), dumped, adapting.formats

    def _read(self, sent: Sequence[Sequence[_Sent]], answers: Sequence[Sequence[pq.abc.PGresult]]) -> list[list[Row]]:
        rows = []
        for expected, group in zip(sent, answers, strict=False):
            for what, answer in zip(expected, group, strict=False):
                if answer.status in _BROKEN:
                    break
                if isinstance(what, tuple) and answer.status == pq.ExecStatus.COMMAND_OK:
                    self._prepared[what[0]] = what[1]
                elif what is True:
                    rows.append(self._rows(answer))
            # Beyond the last statement an answer is that of the commit, which a deferred constraint can refuse.
            for answer in group:
                if answer.status in _BROKEN:
                    raise _error_of(answer)
        self._adapting.set_pgresult(None)
        return rows

    def _rows(self, answer: pq.abc.PGresult) -> list[Row]:
        width = answer.nfields
        if not width:
            return []
        adapting = self._adapting
        encoding = adapting.encoding
        names = [(answer.fname(at) or b"").decode(encoding) for at in range(width)]
        adapting.set_pgresult(answer)
        return adapting.load_rows(0, answer.ntuples, lambda values: dict(zip(names, values, strict=True)))


def _error_of(answer: pq.abc.PGresult) -> psycopg.Error:
    if answer.status == pq.ExecStatus.FATAL_ERROR:
        return error_from_result(answer)
    return psycopg.NotSupportedError("COPY cannot be one of several statements in a message: use a transaction")


def _exchange(pgconn: pq.abc.PGconn, groups: int) -> Generator[Wait, Ready | int, list[list[pq.abc.PGresult]]]:
    """Send what is to be sent and return the answers of each group, which a Sync ends."""
    answers: list[list[pq.abc.PGresult]] = [[]]
    unsent = pgconn.flush()
    while True:
        # Nothing is ready where the wait itself begins anew, after a cancellation.
        while not (ready := (yield Wait.RW if unsent else Wait.R)):
            continue
        if ready & Ready.R:
            try:
                pgconn.consume_input()
            except psycopg.OperationalError:
                # Why the server ends the connection it says before it does.
                if any(answer.status == pq.ExecStatus.FATAL_ERROR for group in answers for answer in group):
                    return answers
                raise
            nothing = 0
            while nothing < 2 and not pgconn.is_busy():
                answer = pgconn.get_result()
                if answer is None:
                    nothing += 1
                    continue
                nothing = 0
                if answer.status == pq.ExecStatus.PIPELINE_SYNC:
                    if len(answers) == groups:
                        return answers
                    answers.append([])
                    continue
                answers[-1].append(answer)
                if answer.status in _BROKEN[1:]:
                    return answers
        if unsent:
            unsent = pgconn.flush()
