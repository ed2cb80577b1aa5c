"""What became of many rows: which are in, and of each that is not, why."""

from __future__ import annotations

from dataclasses import dataclass, field

import psycopg

# The class of errors that say something about a row's values (23) or how they are written (22), not about the server.
_OF_A_ROW = ("22", "23", "42804", "44000", "42501")


@dataclass(frozen=True, slots=True)
class Failure:
    """A row that is not in: its place among those that were given, why, and PostgreSQL's code of the error."""

    index: int
    reason: str
    code: str


@dataclass(slots=True)
class Outcome:
    """`successful` rows are in (where all were to be or none, and one failed: none is); each other one has its failure."""

    successful: int = 0
    failures: list[Failure] = field(default_factory=list)

    def add(self, other: Outcome) -> None:
        """Take another part's rows."""
        self.successful += other.successful
        self.failures += other.failures

    def sorted(self) -> Outcome:
        """Return it with its failures in the order of the rows."""
        return Outcome(self.successful, sorted(self.failures, key=lambda failure: failure.index))


def is_of_a_row(error: psycopg.Error) -> bool:
    """Return whether *error* is about a row, so that others may succeed, or about the statement or the server."""
    return error.sqlstate is not None and error.sqlstate.startswith(_OF_A_ROW)


def failure_of(index: int, error: psycopg.Error) -> Failure:
    """Return what *error* says of the row at *index*: the server's own words, with its detail."""
    detail = error.diag.message_detail
    said = error.diag.message_primary or str(error).partition("\n")[0] or type(error).__name__
    return Failure(index, f"{said}: {detail}" if detail else said, error.sqlstate or "")
