"""Pages behind a key: the next page costs what the first one does, and rows added meanwhile neither repeat nor hide others."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Literal
from uuid import UUID

from psycopg import sql

from scaleworthy.errors import InvalidInput, UsageError

Direction = Literal["asc", "desc"]
_CURSOR_MOST = 1_000


@dataclass(frozen=True, slots=True)
class Keyset:
    """The order of a list: columns, the last of which makes it unique, all in one direction.

    The columns must not be null, and an index over them makes a page cost its rows alone.

        keyset = Keyset(["created_at", "id"], "desc")
        after = None if cursor is None else keyset.read(cursor)
        rows = await database.read(f"select … from leads {keyset.where(after)} {keyset.order_by(limit)}", keyset.values(after))
        shown, next_cursor = keyset.page(rows, limit)
    """

    columns: Sequence[str]
    direction: Direction = "asc"

    def __post_init__(self) -> None:
        """Refuse an order without columns."""
        if not self.columns:
            raise InvalidInput("a keyset cannot be", ["columns: at least one is wanted, got none"])

    def where(self, after: Sequence[Any] | None, *, also: str = "") -> str:
        """Return the WHERE clause of the page behind the row with the values *after* (None: the first), narrowed by *also*."""
        conditions = [also] if also else []
        if after is not None:
            names = ", ".join(_quoted(column) for column in self.columns)
            places = ", ".join(f"%(after_{number})s" for number in range(len(self.columns)))
            conditions.append(f"({names}) {'>' if self.direction == 'asc' else '<'} ({places})")
        return f"where {' and '.join(conditions)}" if conditions else ""

    def order_by(self, limit: int) -> str:
        """Return ORDER BY and LIMIT: one row more than is shown, which tells whether there is a next page."""
        return f"order by {', '.join(f'{_quoted(column)} {self.direction}' for column in self.columns)} limit {limit + 1:d}"

    def values(self, after: Sequence[Any] | None) -> dict[str, Any]:
        """Return the values that `where` wants."""
        return {f"after_{number}": value for number, value in enumerate(after or ())}

    def page(self, rows: Sequence[Mapping[str, Any]], limit: int) -> tuple[list[Mapping[str, Any]], str | None]:
        """Return the rows that are shown, and the cursor of the next page (None: this is the last)."""
        shown = list(rows[:limit])
        if len(rows) <= limit or not shown:
            return shown, None
        return shown, self.write([shown[-1][column] for column in self.columns])

    def write(self, values: Sequence[Any]) -> str:
        """Return the cursor of the page behind the row with these values."""
        packed = json.dumps([_packed(value) for value in values], separators=(",", ":"))
        return base64.urlsafe_b64encode(packed.encode()).rstrip(b"=").decode()

    def read(self, cursor: str) -> list[Any]:
        """Return the values of *cursor*, which may be anything that a client sends.

        Raises:
            UsageError: It is none of ours.
        """
        try:
            if len(cursor) > _CURSOR_MOST:
                raise ValueError
            packed = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
            if not isinstance(packed, list) or len(packed) != len(self.columns):
                raise ValueError
            return [_unpacked(value) for value in packed]
        except (binascii.Error, ValueError, TypeError, KeyError, ArithmeticError) as error:
            raise UsageError(
                f"{cursor[:40]!r} is not a cursor of this list", hint="take `next` of the page before"
            ) from error


def _quoted(name: str) -> str:
    return sql.Identifier(*name.split(".")).as_string(None)


_KINDS: dict[str, tuple[type, Any]] = {
    "t": (datetime, datetime.fromisoformat),
    "d": (date, date.fromisoformat),
    "u": (UUID, UUID),
    "n": (Decimal, Decimal),
}


def _packed(value: Any) -> Any:
    if isinstance(value, bool) or value is None:
        raise UsageError(f"a keyset's columns are ordered and never null; got {value!r}")
    if isinstance(value, (int, float, str)):
        return value
    for mark, (kind, _) in _KINDS.items():
        if isinstance(value, kind):
            return {mark: value.isoformat() if isinstance(value, date) else str(value)}
    raise UsageError(f"a keyset's columns are numbers, texts, times or UUIDs; got {type(value).__name__}")


def _unpacked(value: Any) -> Any:
    if isinstance(value, (int, float, str)) and not isinstance(value, bool):
        return value
    ((mark, text),) = value.items() if isinstance(value, dict) else (("", ""),)
    return _KINDS[mark][1](text)
