"""Stage a database from a check's `dirty.sql` or `clean.sql`, and record the load that the file describes.

Lines `-- word: value` direct how the SQL after them runs: `repeat: N` times; `fails:` it must fail; `session:` on a
connection that stays open; `later: N` the audit looks N days later; `request: STEP` the SQL that one request of STEP
runs, played for 30 seconds at varying rates; `end:` plain SQL again. docs/audit.md says the same for authors.
"""

from __future__ import annotations

import contextlib
import random
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import psycopg
import pytest
from pglast import split

from scaleworthy.series import MemoryStore, SeriesKey, Store

_DIRECTIVE = re.compile(r"^-- (repeat|fails|session|later|request|end):[ ]*(.*)$", re.MULTILINE)
_CALLS = """SELECT queryid::text, calls FROM pg_stat_statements
  WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database()) AND query NOT LIKE '%pg_stat_statements%'"""
START_S = 1_800_000_000


@dataclass
class Staged:
    """What the audit is given besides the database itself."""

    store: Store | None = None
    clock: Callable[[datetime], datetime] = field(default=lambda now: now)


@contextlib.contextmanager
def staged(dsn: str, text: str) -> Iterator[Staged]:
    """Run the file; sessions that it leaves open close at the end."""
    result = Staged()
    requests: dict[str, list[tuple[str, int]]] = {}
    with contextlib.ExitStack() as sessions:
        with contextlib.closing(psycopg.connect(dsn, autocommit=True)) as connection:
            step = None
            for word, value, sql in _blocks(text):
                step = value if word == "request" else None if word == "end" else step
                times = int(value) if word == "repeat" else 1
                if word == "later":
                    result.clock = lambda now, days=float(value): now + timedelta(days=days)
                if step is not None:
                    requests.setdefault(step, []).append((sql, times))
                elif word == "session":
                    other = sessions.enter_context(contextlib.closing(psycopg.connect(dsn, autocommit=True)))
                    _run(other, sql)
                elif word == "fails":
                    with pytest.raises(psycopg.Error):
                        _run(connection, sql)
                else:
                    for _ in range(times):
                        _run(connection, sql)
            if requests:
                result.store = _play(connection, requests)
            connection.execute("SELECT pg_stat_force_next_flush()")
        yield result


def _blocks(text: str) -> Iterator[tuple[str, str, str]]:
    word, value, at = "", "", 0
    for found in _DIRECTIVE.finditer(text):
        yield word, value, text[at : found.start()]
        word, value, at = found[1], found[2].strip(), found.end()
    yield word, value, text[at:]


def _run(connection: psycopg.Connection, sql: str) -> None:
    for statement in split(sql):
        connection.execute(statement)


def _play(connection: psycopg.Connection, requests: dict[str, list[tuple[str, int]]]) -> Store:
    """Play the requests for 30 seconds of the recording's time, at rates that vary by a fixed seed."""
    store, rates, before = MemoryStore(), random.Random(7), dict(connection.execute(_CALLS).fetchall())
    for second in range(START_S, START_S + 30):
        slices = []
        for step, parts in sorted(requests.items()):
            count = rates.randint(1, 6)
            for _ in range(count):
                for sql, times in parts:
                    for _ in range(times):
                        _run(connection, sql)
            slices.append((SeriesKey.of("load.answered", "counter", "requests", {"step": step}), float(count)))
        now = dict(connection.execute(_CALLS).fetchall())
        for queryid, calls in sorted(now.items()):
            if (ran := calls - before.get(queryid, 0)) > 0:
                slices.append(
                    (SeriesKey.of("postgres.statement_calls", "counter", "calls", {"queryid": queryid}), float(ran))
                )
                slices.append(
                    (SeriesKey.of("postgres.statement_seconds", "counter", "s", {"queryid": queryid}), ran * 1e-4)
                )
                slices.append(
                    (SeriesKey.of("postgres.statement_rows", "counter", "rows", {"queryid": queryid}), float(ran))
                )
        before = now
        store.append(second, slices)
    return store
