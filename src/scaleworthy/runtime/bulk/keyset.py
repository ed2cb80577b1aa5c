"""Pages behind a key: the next page costs what the first one does, and rows added meanwhile neither repeat nor hide others."""

from __future__ import annotations

import base64
import binascii
import hmac
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
_SEAL_BYTES = 8


@dataclass(frozen=True, slots=True)
class Position:
    """A place in a list: behind the row with these values, or, going back, before it. `extra` is what the list's owner put into it."""

    values: tuple[Any, ...]
    back: bool = False
    extra: Any = None


@dataclass(frozen=True, slots=True)
class Shown:
    """The rows of a page in the list's order, and the cursors of the pages beside it (None: there is none)."""

    rows: list[Mapping[str, Any]]
    next: str | None
    previous: str | None


@dataclass(frozen=True, slots=True)
class Keyset:
    """The order of a list: columns, the last of which makes it unique.

    A column is named as in the statement (`score` or `l.score`) and may go its own way: `-score` turns the direction around for it. NULL is
    greater than every value, as PostgreSQL sorts it. An index over the columns in this order makes a page cost its rows alone, as long as
    all of them go one way and none is nullable.

        keyset = Keyset(["created_at", "id"], "desc", name="leads")
        position = keyset.read(cursor) if cursor else None
        rows = await database.read(
            f"select … from leads {keyset.where(position)} {keyset.order_by(limit, position)}", keyset.values(position))
        page = keyset.page(rows, limit, position)

    A cursor carries a seal over the list's name, its order and the position: one of another list, of an older order or one that was
    changed is refused. It is no secret, and without *secret* somebody who reads this can make one; it names a place in a list, so what
    its reader may see must be decided by the statement.

    Args:
        columns: Of the order.
        direction: Of all of them.
        name: Of the list; cursors of another name are refused. Put the tenant into it where a cursor must not cross tenants.
        nullable: Those of the columns that may be NULL.
        secret: Seals cursors so that only holders of it can make one.
    """

    columns: Sequence[str]
    direction: Direction = "asc"
    name: str = ""
    nullable: frozenset[str] | Sequence[str] = ()
    secret: bytes = b""

    def __post_init__(self) -> None:
        """Refuse an order that is none."""
        names = [_bare(column) for column in self.columns]
        problems = [] if names else ["columns: at least one is wanted, got none"]
        problems += [f"columns: {name} is given twice" for name in sorted({n for n in names if names.count(n) > 1})]
        problems += [f"nullable: {name} is not one of the columns" for name in self.nullable if name not in names]
        if names and names[-1] in self.nullable:
            problems.append(f"nullable: {names[-1]} is the last column, which makes the order unique")
        if problems:
            raise InvalidInput("a keyset cannot be", problems)

    def where(self, position: Position | None, *, also: str = "") -> str:
        """Return the WHERE clause of the page at *position* (None: the first), narrowed by *also*."""
        conditions = [f"({also})"] if also else []
        if position is not None:
            conditions.append(self.beyond(position))
        return f"where {' and '.join(conditions)}" if conditions else ""

    def beyond(self, position: Position) -> str:
        """Return the condition that a row is on the page at *position* or further on."""
        ups = [self._up(column) != position.back for column in self.columns]
        if not self.nullable and len(set(ups)) == 1:
            # Compared as rows: a range of the index, which the expanded form is not.
            names = ", ".join(_quoted(column) for column in self.columns)
            places = ", ".join(_place(number) for number in range(len(self.columns)))
            return f"({names}) {'>' if ups[0] else '<'} ({places})"
        condition = ""
        for number in reversed(range(len(self.columns))):
            column, value = self.columns[number], position.values[number]
            name, nullable = _quoted(column), _bare(column) in self.nullable
            if value is None:
                strictly, equal = ("false" if ups[number] else f"{name} is not null"), f"{name} is null"
            else:
                strictly = f"{name} {'>' if ups[number] else '<'} {_place(number)}"
                equal = f"{name} = {_place(number)}"
                if ups[number] and nullable:
                    strictly = f"({strictly} or {name} is null)"
            condition = f"({strictly} or ({equal} and {condition}))" if condition else strictly
        return condition

    def order_by(self, limit: int, position: Position | None = None) -> str:
        """Return ORDER BY and LIMIT: one row more than is shown, which tells whether there is a further page."""
        return f"{self.order(position)} limit {limit + 1:d}"

    def order(self, position: Position | None = None) -> str:
        """Return ORDER BY alone."""
        back = position is not None and position.back
        order = ", ".join(
            f"{_quoted(column)} {'asc' if self._up(column) != back else 'desc'}" for column in self.columns
        )
        return f"order by {order}"

    def values(self, position: Position | None) -> dict[str, Any]:
        """Return the values that `where` wants."""
        return {} if position is None else {f"after_{n}": value for n, value in enumerate(position.values)}

    def page(
        self, rows: Sequence[Mapping[str, Any]], limit: int, position: Position | None = None, *, extra: Any = None
    ) -> Shown:
        """Return the page at *position* of what the statement found.

        Args:
            rows: As found; they hold the order's columns under their names without a table.
            limit: Rows of a page.
            position: Where it begins.
            extra: Something small to travel with the next cursor.

        Raises:
            InvalidInput: Two rows have the same key, so that a page's end could not be told from its neighbour.
        """
        shown = list(rows[:limit])
        if not shown:
            return Shown([], None, None)
        more = len(rows) > limit
        if more and self._key(rows[limit - 1]) == self._key(rows[limit]):
            raise InvalidInput(
                "pages cannot be told apart",
                [f"two rows have the key {self._key(rows[limit])!r}: the last column must make the order unique"],
            )
        back = position is not None and position.back
        if back:
            shown.reverse()
        following = more or back
        before = more if back else position is not None
        return Shown(
            shown,
            self.write(self._key(shown[-1]), extra=extra) if following else None,
            self.write(self._key(shown[0]), back=True) if before else None,
        )

    def write(self, values: Sequence[Any], *, back: bool = False, extra: Any = None) -> str:
        """Return the cursor of the page behind (or *back*, before) the row with these values."""
        packed: list[Any] = [[_packed(value) for value in values], int(back)]
        if extra is not None:
            packed.append(extra)
        text = json.dumps(packed, separators=(",", ":")).encode()
        return base64.urlsafe_b64encode(self._seal(text) + text).rstrip(b"=").decode()

    def read(self, cursor: str) -> Position:
        """Return the position of *cursor*, which may be anything that a client sends.

        Raises:
            UsageError: It is none of this list.
        """
        try:
            if len(cursor) > _CURSOR_MOST:
                raise ValueError
            raw = base64.b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4), b"-_", validate=True)
            seal, text = raw[:_SEAL_BYTES], raw[_SEAL_BYTES:]
            if not hmac.compare_digest(seal, self._seal(text)):
                raise ValueError
            values, back, *extra = json.loads(text)
            if len(values) != len(self.columns):
                raise ValueError
            return Position(tuple(map(_unpacked, values)), bool(back), extra[0] if extra else None)
        except (binascii.Error, ValueError, TypeError, KeyError, ArithmeticError, RecursionError) as error:
            raise UsageError(
                f"{cursor[:40]!r} is not a cursor of this list", hint="take `next` of the page before"
            ) from error

    def _seal(self, text: bytes) -> bytes:
        order = json.dumps([self.name, self.direction, *self.columns]).encode()
        return hmac.digest(self.secret + b"\0" + order, text, "sha256")[:_SEAL_BYTES]

    def _up(self, column: str) -> bool:
        return (self.direction == "asc") != column.startswith("-")

    def _key(self, row: Mapping[str, Any]) -> tuple[Any, ...]:
        return tuple(row[_bare(column).rpartition(".")[2]] for column in self.columns)


def _bare(column: str) -> str:
    return column.removeprefix("-")


def _place(number: int) -> str:
    return f"%(after_{number})s"


def _quoted(column: str) -> str:
    return sql.Identifier(*_bare(column).split(".")).as_string(None)


_KINDS: dict[str, tuple[type, Any]] = {
    "t": (datetime, datetime.fromisoformat),
    "d": (date, date.fromisoformat),
    "u": (UUID, UUID),
    "n": (Decimal, Decimal),
}


def _packed(value: Any) -> Any:
    if value is None or (isinstance(value, (int, float, str)) and not isinstance(value, bool)):
        return value
    for mark, (kind, _) in _KINDS.items():
        if isinstance(value, kind):
            return {mark: value.isoformat() if isinstance(value, date) else str(value)}
    raise UsageError(f"a keyset's columns are numbers, texts, times or UUIDs; got {type(value).__name__}")


def _unpacked(value: Any) -> Any:
    if value is None or (isinstance(value, (int, float, str)) and not isinstance(value, bool)):
        return value
    ((mark, text),) = value.items() if isinstance(value, dict) else (("", ""),)
    return _KINDS[mark][1](text)
