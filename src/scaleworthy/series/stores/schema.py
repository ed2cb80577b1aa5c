"""The tables of a recording, and how a file is known to be one.

docs/reference/recording.md describes them for people who read a recording with other tools; a test compares the two.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

from scaleworthy.errors import RecordingError

APPLICATION_ID = 0x5357_5243
"""`SWRC`: in the file's header, so that any SQLite database is not taken for a recording."""

VERSION = 2
"""Of these tables; in the header's user_version. A newer program reads older versions, not the other way round."""

TABLES = """
CREATE TABLE run (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE series (number INTEGER PRIMARY KEY, name TEXT NOT NULL, labels TEXT NOT NULL, unit TEXT NOT NULL, kind TEXT NOT NULL);
CREATE TABLE block (number INTEGER PRIMARY KEY, second INTEGER NOT NULL, payload BLOB NOT NULL);
CREATE TABLE pack (number INTEGER PRIMARY KEY, blocks BLOB NOT NULL);
CREATE TABLE fact (kind TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (kind, key)) WITHOUT ROWID;
CREATE TABLE event (number INTEGER PRIMARY KEY, at_s REAL NOT NULL, kind TEXT NOT NULL, text TEXT NOT NULL, data TEXT NOT NULL);
CREATE TABLE finding (number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, value TEXT NOT NULL);
"""

CREATE = f"BEGIN; PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {VERSION}; {TABLES} COMMIT;"


def check(connection: sqlite3.Connection, path: Path) -> None:
    """Refuse a database that is not a recording, or one that a newer program wrote.

    Raises:
        RecordingError: It is one of these; the hint says what to do.
    """
    application_id = connection.execute("PRAGMA application_id").fetchone()[0]
    if application_id != APPLICATION_ID:
        raise not_a_recording(path)
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version > VERSION:
        raise RecordingError(
            f"{path} was written by a newer Scaleworthy: form {version}, and this one reads up to {VERSION}",
            hint="pip install --upgrade scaleworthy",
        )


def not_a_recording(path: Path) -> RecordingError:
    """Return the error for a file of another kind."""
    return RecordingError(
        f"{path} is not a recording", hint="a recording is written by `scaleworthy load TARGET --out NAME.sw`"
    )
