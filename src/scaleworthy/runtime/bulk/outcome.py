"""What became of many rows: which are in, and of each that is not, why."""

from __future__ import annotations

from dataclasses import dataclass, field

import psycopg

# Errors that say something about a row and not about the server or the statement: its values (23) or how they are written (22), a row
# given twice (21000), a view's check (44000), a policy or a trigger that refuses it (42501, P0001), a value too long for an index or
# JSON too deep to read (54000, 54001), a type that has no such cast (42804, 42846).
_OF_A_ROW = ("22", "23", "21000", "42501", "42804", "42846", "44000", "54000", "54001", "P0001")
ROW_STATES = "^(" + "|".join(_OF_A_ROW) + ")"
"""The same as a regular expression over SQLSTATE, for the server's side."""


@dataclass(frozen=True, slots=True)
class Failure:
    """A row that is not in: its place among those that were given, why, and PostgreSQL's code of the error."""

    index: int
    reason: str
    code: str


@dataclass(slots=True)
class Outcome:
    """What became of the rows: each is successful, unchanged or failed.

    Attributes:
        successful: So many were written. Where all were to be or none, and one failed: none is.
        failures: Those that could not be, in the order of the rows.
        unchanged: Were there already, and were to be left as they are.
    """

    successful: int = 0
    failures: list[Failure] = field(default_factory=list)
    unchanged: int = 0

    def add(self, other: Outcome) -> None:
        """Take another part's rows."""
        self.successful += other.successful
        self.unchanged += other.unchanged
        self.failures += other.failures

    def sorted(self) -> Outcome:
        """Return it with its failures in the order of the rows."""
        return Outcome(self.successful, sorted(self.failures, key=lambda failure: failure.index), self.unchanged)


def is_of_a_row(error: psycopg.Error) -> bool:
    """Return whether *error* is about a row, so that others may succeed, or about the statement or the server."""
    state = error.sqlstate
    if state == "42501":
        # A policy refuses a row; a missing privilege has the same code and refuses every row.
        return error.diag.source_function in (None, "ExecWithCheckOptions")
    return state is not None and state.startswith(_OF_A_ROW)


def failure_of(index: int, error: psycopg.Error) -> Failure:
    """Return what *error* says of the row at *index*: the server's own words, with its detail."""
    said = error.diag.message_primary or str(error).partition("\n")[0] or type(error).__name__
    return Failure(index, reason(said, error.diag.message_detail), error.sqlstate or "")


def reason(said: str, detail: str | None) -> str:
    """Return the server's words as one line."""
    return f"{said}: {detail}" if detail else said
