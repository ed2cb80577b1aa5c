"""Write a recording while its run goes on: one transaction a second, and no failure that ends the run.

WAL with synchronous=NORMAL: a commit appends to the log and does not wait for the disk, so recording does not slow the machine
that is being measured. A killed process loses nothing that was committed; a power cut can lose the last commits, and
never damages the file.
"""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from scaleworthy.errors import RecordingError, UsageError
from scaleworthy.series.stores import schema
from scaleworthy.series.stores.pack import BLOCKS_LEAST, pack

Rows = Iterable[tuple[object, ...]]


class Writer:
    """The writing end of a recording. Its methods may be called from any thread.

    Attributes:
        error: Why writing stopped, or None. From then on nothing is written, and nothing raises.
    """

    def __init__(self, path: Path, *, overwrite: bool = False) -> None:
        """Make the file, with its tables.

        Raises:
            UsageError: Something is there already, or the folder is not.
            RecordingError: The file cannot be written.
        """
        self.path = path
        self.error: RecordingError | None = None
        self._lock = threading.Lock()
        self._open_second: int | None = None
        self._blocks = 0
        self._connection: sqlite3.Connection | None = _create(path, overwrite=overwrite)

    def write_second(self, second: int, rows: Mapping[str, Rows]) -> None:
        """Run each statement with its rows in the transaction of *second*; a later second commits the one before."""

        def action(connection: sqlite3.Connection) -> None:
            # What was noted before the first second opened a transaction of no second.
            if connection.in_transaction and (self._open_second is None or second > self._open_second):
                if self._blocks >= BLOCKS_LEAST:
                    self._pack(connection)
                connection.execute("COMMIT")
            if not connection.in_transaction:
                connection.execute("BEGIN")
                self._open_second = second
            for statement, of_statement in rows.items():
                connection.executemany(statement, of_statement)
            self._blocks += 1

        self._attempt(action)

    def _pack(self, connection: sqlite3.Connection) -> None:
        """Put the blocks there are into one piece; together with what the open transaction holds, or not at all."""
        blocks = connection.execute("SELECT second, payload FROM block ORDER BY number").fetchall()
        if blocks:
            connection.execute("INSERT INTO pack (blocks) VALUES (?)", (pack(blocks),))
            connection.execute("DELETE FROM block")
        self._blocks = 0

    def write(self, statement: str, rows: Rows, *, commit: bool) -> None:
        """Run one statement with its rows, in the transaction that is open; *commit* that, or leave it to the next second."""

        def action(connection: sqlite3.Connection) -> None:
            if not connection.in_transaction:
                connection.execute("BEGIN")
            connection.executemany(statement, rows)
            if commit:
                connection.execute("COMMIT")

        self._attempt(action)

    def close(self) -> None:
        """Commit, and leave one plain file without a log beside it (where nobody else still reads it)."""

        def action(connection: sqlite3.Connection) -> None:
            if not connection.in_transaction:
                connection.execute("BEGIN")
            self._pack(connection)
            connection.execute("COMMIT")
            with contextlib.suppress(sqlite3.OperationalError):
                if _mostly_free(connection):
                    connection.execute("VACUUM")
                connection.execute("PRAGMA journal_mode = DELETE")
            self._let_go()

        self._attempt(action)

    def _attempt(self, action: Callable[[sqlite3.Connection], None]) -> None:
        """Run *action*, one thread at a time; keep the first failure, and stop writing."""
        with self._lock:
            if self._connection is None:
                return
            try:
                action(self._connection)
            except sqlite3.Error as error:
                self.error = RecordingError(
                    f"writing {self.path} stopped: {error}; what was written before stays readable",
                    hint="make room on that disk, or record to another one, and run again for a whole recording",
                )
                self._let_go()

    def _let_go(self) -> None:
        if self._connection is not None:
            with contextlib.suppress(sqlite3.Error):
                self._connection.close()
            self._connection = None


def _mostly_free(connection: sqlite3.Connection) -> bool:
    """Return whether much of the file is pages that packed blocks have left; in a long run they are few."""
    pages, free = (connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "freelist_count"))
    return bool(free * 5 > pages)


def _create(path: Path, *, overwrite: bool) -> sqlite3.Connection:
    if not path.parent.is_dir():
        raise UsageError(f"{path} cannot be written: there is no folder {path.parent}", hint="make the folder first")
    if path.exists() and (not path.is_file() or path.stat().st_size > 0) and not (overwrite and path.is_file()):
        raise UsageError(
            f"{path} is there already, and is not overwritten", hint="choose another name, or remove the file first"
        )
    try:
        # A log that was left beside it goes as well: SQLite throws away the log of an empty file.
        path.unlink(missing_ok=True)
        # The writer's lock lets one thread at a time near the connection.
        connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    except (OSError, sqlite3.Error) as error:
        raise _not_writable(path, error) from error
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.executescript(schema.CREATE)
        # The tables go into the file itself, so that a copy without its log is a recording too.
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    except sqlite3.Error as error:
        connection.close()
        # Half a file is no recording, and would be in the way of the next.
        for suffix in ("", "-wal", "-shm"):
            Path(f"{path}{suffix}").unlink(missing_ok=True)
        raise _not_writable(path, error) from error
    return connection


def _not_writable(path: Path, error: Exception) -> RecordingError:
    return RecordingError(f"{path} cannot be written: {error}", hint="check the folder's rights and free space")
