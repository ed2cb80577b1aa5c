"""Values as PostgreSQL reads them from text, as one array per column: one statement then takes any number of rows, of any types.

Arrays of text and a cast on the server, not arrays of the column's type: an array of arrays would come apart again in unnest, and a cast
to varchar(10)[] would cut long texts instead of refusing them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import psycopg
from psycopg import AsyncConnection
from psycopg.adapt import PyFormat, Transformer

Values = tuple[Any, ...]
_NUMBERS = ({int}, {float})
UNSENDABLE = (UnicodeError, ValueError, TypeError, AttributeError, RecursionError, OverflowError)
"""What formatting a value may raise, besides psycopg's own errors."""
_LONE_SURROGATE = "a character that UTF-8 cannot hold"


class Unwritable(psycopg.DataError):
    """A value that cannot be sent at all: PostgreSQL's text cannot hold it, or psycopg does not know its type."""

    sqlstate = "22021"


class Texts:
    """Turns values into what goes over the wire; of one connection, whose adapters it uses."""

    def __init__(self, connection: AsyncConnection[Any]) -> None:
        self._connection = connection
        self._transformer: Any = None

    def array(self, values: Sequence[Any]) -> str:
        """Return *values* as the text of a PostgreSQL array of texts.

        Raises:
            Unwritable: One of them cannot be; `why_not` says which row's.
        """
        kinds = set(map(type, values))
        if kinds == {str}:
            inner = '","'.join(values)
            if "\\" not in inner and inner.count('"') == 2 * (len(values) - 1):
                return _sendable(f'{{"{inner}"}}')
            return _sendable("{" + ",".join(map(_quoted, values)) + "}")
        if kinds in _NUMBERS:
            try:
                return "{" + ",".join(map(str, values)) + "}"
            except ValueError as error:
                # Python writes no more than some thousands of digits.
                raise Unwritable(str(error)) from error
        return _sendable("{" + ",".join(map(self._element, values)) + "}")

    def arrays(self, rows: Sequence[Values]) -> list[str]:
        """Return the array of each column of *rows*."""
        return [self.array(column) for column in zip(*rows, strict=True)]

    def why_not(self, row: Values) -> Unwritable | None:
        """Return why *row* cannot be sent; None: it can."""
        try:
            for value in row:
                self.array((value,))
        except Unwritable as error:
            return error
        return None

    def _element(self, value: Any) -> str:
        if value is None:
            return "NULL"
        if type(value) is str:
            return _quoted(value)
        try:
            return _quoted(self._dumped(value))
        except psycopg.Error as error:
            raise Unwritable(str(error).partition("\n")[0]) from error
        except UnicodeError as error:
            raise Unwritable(_LONE_SURROGATE) from error
        except UNSENDABLE as error:
            raise Unwritable(f"{type(error).__name__}: {str(error)[:200]}") from error

    def _dumped(self, value: Any) -> str:
        if self._transformer is None:
            self._transformer = Transformer.from_context(self._connection)
        dumped = self._transformer.get_dumper(value, PyFormat.TEXT).dump(value)
        return bytes(dumped).decode() if dumped is not None else ""


def is_unsendable(error: BaseException) -> bool:
    """Return whether *error* came from formatting a value, before the server saw it."""
    if isinstance(error, psycopg.Error):
        return isinstance(error, Unwritable) or (
            error.sqlstate is None and isinstance(error, (psycopg.DataError, psycopg.ProgrammingError))
        )
    return isinstance(error, UNSENDABLE)


def _sendable(text: str) -> str:
    if "\0" in text:
        raise Unwritable("PostgreSQL text fields cannot contain NUL (0x00) bytes")
    if not text.isascii():
        try:
            text.encode()
        except UnicodeError as error:
            raise Unwritable(_LONE_SURROGATE) from error
    return text


def _quoted(text: str) -> str:
    if "\\" in text or '"' in text:
        text = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"'
