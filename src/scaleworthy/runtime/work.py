"""What a piece of work has asked of the database: noted by the database part, read by who wants to know what was slow."""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass

# Of one request; what comes after is counted.
_STATEMENTS_MOST = 100


@dataclass(slots=True)
class Work:
    """What a request has asked of the database: text and time of its first statements, and how many there were."""

    statements: list[tuple[str, int]]
    count: int = 0

    def note(self, text: str, took_ns: int) -> None:
        """Add a statement."""
        self.count += 1
        if len(self.statements) < _STATEMENTS_MOST:
            self.statements.append((text, took_ns))


# Where the database part notes what it runs; shared with the tasks that a request starts.
work: ContextVar[Work | None] = ContextVar("work", default=None)
