"""A recording: a run in memory that is kept in one file (`NAME.sw`, SQLite) while it goes on."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Self

from scaleworthy.errors import RecordingError
from scaleworthy.finding import Finding
from scaleworthy.series.model import Slice
from scaleworthy.series.stores import reader
from scaleworthy.series.stores.memory import MemoryStore
from scaleworthy.series.stores.writer import Writer

_SERIES = "INSERT INTO series (number, name, labels, unit, kind) VALUES (?, ?, ?, ?, ?)"
_BLOCK = "INSERT INTO block (second, payload) VALUES (?, ?)"
_RUN = "INSERT INTO run (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value"
_FACT = (
    "INSERT INTO fact (kind, key, value) VALUES (?, ?, ?) ON CONFLICT (kind, key) DO UPDATE SET value = excluded.value"
)
_EVENT = "INSERT INTO event (at_s, kind, text, data) VALUES (?, ?, ?, ?)"
_FINDING = "INSERT INTO finding (id, value) VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET value = excluded.value"


class Recording(MemoryStore):
    """A run that is kept in a file. Queries are answered from memory, so the file is never in their way.

    Made by `create` (written while the run goes on) or `open` (read only); close it, or use it in a `with` statement. What is
    given to it is written as it is: leave secrets out.
    """

    def __init__(self, path: Path, run: dict[str, Any], writer: Writer | None) -> None:
        super().__init__(run)
        self.path = path
        self._writer = writer
        self._series_written = 0
        self._error_told = False

    @classmethod
    def create(
        cls, path: str | os.PathLike[str], run: dict[str, Any] | None = None, *, overwrite: bool = False
    ) -> Self:
        """Return a new recording at *path*; *overwrite* replaces a file that is there.

        Raises:
            UsageError: There is a file already, or no such folder.
            RecordingError: The file cannot be written.
        """
        rows = _run_rows(run or {})
        writer = Writer(Path(path), overwrite=overwrite)
        writer.write(_RUN, rows, commit=True)
        return cls(Path(path), run or {}, writer)

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> Self:
        """Return the recording at *path*, also of a run that was killed or still goes on, as of now. It cannot be added to.

        Raises:
            UsageError: There is no such file.
            RecordingError: It is not a recording, was written by a newer Scaleworthy, or is damaged.
        """
        content = reader.read(Path(path))
        opened = cls(Path(path), content.run, None)
        try:
            for series in content.series:
                opened._add_series(series)
            opened._table.load(content.blocks)
        except ValueError as error:
            raise reader.damaged(Path(path), error) from error
        for kind, key, value in content.facts:
            MemoryStore.put_fact(opened, kind, key, value)
        opened._events.extend(content.events)
        MemoryStore.add_findings(opened, content.findings)
        return opened

    @property
    def write_error(self) -> RecordingError | None:
        """Why the file is no longer written (such as a full disk), or None. The run goes on in memory."""
        return self._writer.error if self._writer else None

    def append(self, second: int, slices: Iterable[Slice]) -> None:
        """See `Store.append`. Never fails for the disk: see `write_error`."""
        writer = self._for_writing()
        with self._lock:
            block = self._append(second, slices)
            new = self._catalogue.since(self._series_written)
            self._series_written += len(new)
            series = [(number, key.name, _json(dict(key.labels)), key.unit, key.kind) for number, key in new]
            writer.write_second(second, {_SERIES: series, _BLOCK: [(second, block)]})

    def put_fact(self, kind: str, key: str, value: Any) -> None:
        """See `Store.put_fact`. A fact that is the same as before is not written again."""
        writer = self._for_writing()
        text = _json(value)
        with self._lock:
            if key in self._facts.get(kind, {}) and self._facts[kind][key] == value:
                return
            super().put_fact(kind, key, value)
            writer.write(_FACT, [(kind, key, text)], commit=False)

    def add_event(self, at_s: float, kind: str, text: str, data: dict[str, Any] | None = None) -> None:
        """See `Store.add_event`."""
        writer = self._for_writing()
        row = (at_s, kind, text, _json(data or {}))
        with self._lock:
            super().add_event(at_s, kind, text, data)
            writer.write(_EVENT, [row], commit=True)

    def add_findings(self, findings: Iterable[Finding]) -> None:
        """See `Store.add_findings`."""
        writer = self._for_writing()
        added = list(findings)
        rows = [(finding.id, _json(finding.to_dict())) for finding in added]
        with self._lock:
            super().add_findings(added)
            writer.write(_FINDING, rows, commit=True)

    def update_run(self, **values: Any) -> None:
        """See `Store.update_run`."""
        writer = self._for_writing()
        rows = _run_rows(values)
        with self._lock:
            super().update_run(**values)
            writer.write(_RUN, rows, commit=True)

    def close(self) -> None:
        """Write what is left and close the file; queries still work. A second call does nothing.

        Raises:
            RecordingError: Writing had stopped before the end (see `write_error`); told once.
        """
        if self._writer is None:
            return
        self._writer.write(_RUN, _run_rows(self.run), commit=True)
        self._writer.close()
        if self._writer.error is not None and not self._error_told:
            self._error_told = True
            raise self._writer.error

    def _for_writing(self) -> Writer:
        if self._writer is None:
            raise RecordingError(
                f"{self.path} is open for reading", hint="copy what you need into a MemoryStore or a new recording"
            )
        return self._writer

    def __exit__(self, *error: object) -> None:
        try:
            self.close()
        except RecordingError:
            # An error that is on its way already says more than the file's.
            if error[0] is None:
                raise


def _run_rows(run: dict[str, Any]) -> list[tuple[object, ...]]:
    return [(key, _json(value)) for key, value in run.items()]


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
