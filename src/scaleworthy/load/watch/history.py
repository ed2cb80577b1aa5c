"""The history of a watched service: one SQLite file, a row for each run.

Only runs of the same plan on the same machine are compared; a history may hold several plans.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scaleworthy.errors import UsageError
from scaleworthy.load.host import host_facts
from scaleworthy.load.plan import Plan
from scaleworthy.load.summary import Summary

FIGURES = ("p50", "p95", "p99", "failed")
_TABLE = """
CREATE TABLE IF NOT EXISTS runs (
    id INTEGER PRIMARY KEY,
    series TEXT NOT NULL,
    at_s REAL NOT NULL,
    summary TEXT NOT NULL,
    regressions TEXT NOT NULL,
    reference INTEGER NOT NULL
)
"""


@dataclass(frozen=True, slots=True)
class Figures:
    """What of a run is compared; times in ms, None where there were too few answers."""

    p50: float | None
    p95: float | None
    p99: float | None
    failed: float
    started: int

    @classmethod
    def of(cls, summary: dict[str, Any]) -> Figures:
        """Return the figures of a summary."""
        times = summary["response_ms"]
        started = summary["started"]
        return cls(times["p50"], times["p95"], times["p99"], summary["failed"] / max(started, 1), started)

    def value(self, figure: str) -> float | None:
        """Return one of FIGURES."""
        value: float | None = getattr(self, figure)
        return value


@dataclass(frozen=True, slots=True)
class Run:
    """One run of the history.

    Attributes:
        at_s: When it began, Unix time.
        summary: As `scaleworthy load --json` gives it.
        regressions: What was worse than before, in sentences.
        reference: Whether later runs are held to it: a run that regressed, or that the generator limited, is not.
    """

    at_s: float
    summary: dict[str, Any]
    regressions: tuple[str, ...]
    reference: bool

    @property
    def figures(self) -> Figures:
        """What of it is compared."""
        return Figures.of(self.summary)


class History:
    """The runs of one plan on this machine."""

    def __init__(self, path: Path, plan: Plan) -> None:
        """Open the file, or make it.

        Raises:
            UsageError: It cannot be written, or is something else.
        """
        self.path = path
        self._series = _series_of(plan)
        try:
            with self._open() as database:
                database.execute(_TABLE)
        except sqlite3.Error as error:
            raise UsageError(
                f"the history {str(path)!r} cannot be used: {error}", hint="name another file: --history FILE.sqlite"
            ) from error

    def runs(self) -> list[Run]:
        """Return the runs, oldest first."""
        with self._open() as database:
            rows = database.execute(
                "SELECT at_s, summary, regressions, reference FROM runs WHERE series = ? ORDER BY id", (self._series,)
            ).fetchall()
        return [Run(at, json.loads(summary), tuple(json.loads(found)), bool(held)) for at, summary, found, held in rows]

    def reference(self) -> list[Figures]:
        """Return the figures that a new run is held to, oldest first."""
        return [run.figures for run in self.runs() if run.reference]

    def add(self, at_s: float, summary: Summary, regressions: tuple[str, ...], *, complete: bool) -> Run:
        """Keep a run; one that did not go to its end is no reference."""
        held = complete and not regressions and not summary.generator.limited and summary.answered > 0
        return self._keep(at_s, summary.to_dict(), regressions, held=held)

    def _keep(self, at_s: float, summary: dict[str, Any], regressions: tuple[str, ...], *, held: bool) -> Run:
        run = Run(at_s, summary, regressions, held)
        with self._open() as database:
            database.execute(
                "INSERT INTO runs (series, at_s, summary, regressions, reference) VALUES (?, ?, ?, ?, ?)",
                (self._series, at_s, json.dumps(summary), json.dumps(regressions), held),
            )
        return run

    def begin_anew(self) -> None:
        """Hold later runs to none of the runs until now: what changed was meant to."""
        with self._open() as database:
            database.execute("UPDATE runs SET reference = 0 WHERE series = ?", (self._series,))

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        database = sqlite3.connect(self.path)
        try:
            with database:
                yield database
        finally:
            database.close()


def _series_of(plan: Plan) -> str:
    """Return what tells this plan on this machine apart; the seed may differ."""
    public = plan.public()
    public.pop("seed", None)
    host = host_facts()
    what = json.dumps([public, host["cpu"], host["cores"], host["name"]], sort_keys=True, default=str)
    return hashlib.sha256(what.encode()).hexdigest()
