"""Read a recording: one that was closed, one whose run was killed, one that is still written, or a copy of any.

The file is only ever read. Where SQLite cannot read a left-behind log in place (it would have to make a file beside it, in a folder
that may not be written), the file and its log are copied to a temporary folder and read there.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from scaleworthy.errors import RecordingError, UsageError
from scaleworthy.finding import Finding
from scaleworthy.series.model import Event, SeriesKey
from scaleworthy.series.stores import schema
from scaleworthy.series.stores.pack import unpack


@dataclass(frozen=True, slots=True)
class Content:
    """Everything in a recording; series in the order of their numbers, which count from 0."""

    run: dict[str, Any]
    series: list[SeriesKey]
    blocks: list[tuple[int, bytes]]
    facts: list[tuple[str, str, Any]]
    events: list[Event]
    findings: list[Finding]


def read(path: Path) -> Content:
    """Return what the recording at *path* holds.

    Raises:
        UsageError: There is no such file.
        RecordingError: It is not a recording, was written by a newer program, or is damaged.
    """
    if not path.is_file():
        raise UsageError(f"there is no recording {path}", hint="check the path, or record one with --out NAME.sw")
    try:
        with _connection(path) as connection:
            schema.check(connection, path)
            return _content(connection)
    except sqlite3.DatabaseError as error:
        if "not a database" in str(error):
            raise schema.not_a_recording(path) from error
        raise damaged(path, error) from error
    except (ValueError, TypeError, KeyError) as error:
        raise damaged(path, error) from error


def _blocks(connection: sqlite3.Connection) -> list[tuple[int, bytes]]:
    """Return all blocks in their order: packed minutes, then the last one."""
    packed: list[tuple[int, bytes]] = []
    # The first form had no packs.
    if connection.execute("PRAGMA user_version").fetchone()[0] > 1:
        for (data,) in connection.execute("SELECT blocks FROM pack ORDER BY number"):
            packed.extend(unpack(data))
    return packed + connection.execute("SELECT second, payload FROM block ORDER BY number").fetchall()


def damaged(path: Path, error: Exception) -> RecordingError:
    """Return the error for a recording that cannot be read to its end."""
    return RecordingError(f"{path} is damaged: {error}", hint="restore the file from where it was copied, or run again")


@contextlib.contextmanager
def _connection(path: Path) -> Iterator[sqlite3.Connection]:
    with contextlib.ExitStack() as stack:
        connection = stack.enter_context(contextlib.closing(_connect(path, "mode=ro")))
        try:
            connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        except sqlite3.OperationalError:
            log = path.with_name(path.name + "-wal")
            if not log.exists():
                connection = stack.enter_context(contextlib.closing(_connect(path, "immutable=1")))
            else:
                folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="scaleworthy-")))
                shutil.copyfile(path, folder / "copy.sw")
                shutil.copyfile(log, folder / "copy.sw-wal")
                connection = stack.enter_context(contextlib.closing(_connect(folder / "copy.sw", "mode=rw")))
        yield connection


def _connect(path: Path, how: str) -> sqlite3.Connection:
    return sqlite3.connect(f"file:{quote(str(path.absolute()))}?{how}", uri=True)


def _content(connection: sqlite3.Connection) -> Content:
    # One transaction, so that a recording that is still written is seen at one moment.
    connection.execute("BEGIN")
    series = connection.execute("SELECT number, name, labels, unit, kind FROM series ORDER BY number").fetchall()
    if [row[0] for row in series] != list(range(len(series))):
        raise ValueError("the list of series has gaps")
    return Content(
        run={key: json.loads(value) for key, value in connection.execute("SELECT key, value FROM run")},
        series=[SeriesKey.of(name, kind, unit, json.loads(labels)) for _, name, labels, unit, kind in series],
        blocks=_blocks(connection),
        facts=[(kind, key, json.loads(value)) for kind, key, value in connection.execute("SELECT * FROM fact")],
        events=[
            Event(at_s, kind, text, json.loads(data))
            for at_s, kind, text, data in connection.execute("SELECT at_s, kind, text, data FROM event ORDER BY number")
        ],
        findings=[
            Finding.from_dict(json.loads(value))
            for (value,) in connection.execute("SELECT value FROM finding ORDER BY number")
        ],
    )
