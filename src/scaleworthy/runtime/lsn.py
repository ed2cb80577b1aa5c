"""Positions in PostgreSQL's write-ahead log: what a reader has seen, and what it must have seen."""

from __future__ import annotations

import re
from contextvars import ContextVar

from scaleworthy.errors import UsageError

_WRITTEN = re.compile(r"([0-9A-Fa-f]{1,8})/([0-9A-Fa-f]{1,8})")


class Reading:
    """What a piece of work has read: the oldest position among the replicas that answered it."""

    def __init__(self) -> None:
        self.position: int | None = None

    def note(self, position: int) -> None:
        """Say that a replica answered which had replayed up to *position*. The writer is not noted: it has seen everything."""
        self.position = position if self.position is None else min(self.position, position)


class Session:
    """What a caller must be able to see: the position after its own last commit, or after what others have committed for it.

    Attributes:
        position: What a read must have seen.
        committed: The position after the last commit of this session itself; 0: none yet.
    """

    def __init__(self, position: int = 0) -> None:
        self.position = position
        self.committed = 0

    def raise_to(self, position: int) -> None:
        """Say that the caller has committed up to *position*."""
        self.committed = max(self.committed, position)
        self.require(position)

    def require(self, position: int) -> None:
        """Say that the caller must see what was committed up to *position*, by whomever."""
        self.position = max(self.position, position)


# Both are objects rather than numbers, so that the tasks which a piece of work starts note in the same place.
reading: ContextVar[Reading | None] = ContextVar("reading", default=None)
session: ContextVar[Session | None] = ContextVar("session", default=None)


def parse_lsn(text: str) -> int:
    """Return the position that PostgreSQL writes as *text*, such as `0/16B3748`.

    Raises:
        UsageError: Anything else.
    """
    found = _WRITTEN.fullmatch(text)
    if found is None:
        raise UsageError(f"a position in the write-ahead log looks like 0/16B3748; got {text!r}")
    return (int(found[1], 16) << 32) + int(found[2], 16)


def show_lsn(position: int) -> str:
    """Return *position* as PostgreSQL writes it."""
    return f"{position >> 32:X}/{position & 0xFFFF_FFFF:X}"
