"""Pages of a list, newest first: `limit` and either `page` or the `next` cursor of the page before.

A cursor holds both how far the list was read and the key of the last row shown, so that it means the same to either way
of paging: offset counts rows again from the top, keyset goes on behind the key. Keyset's cost does not grow with the page,
and rows added meanwhile neither repeat nor hide others.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from fastapi import Depends, Query

from scaleworthy.switchboard.database import Row, Statement
from scaleworthy.switchboard.refusal import unprocessable
from scaleworthy.switchboard.shape import Paging

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_OFFSET_MAX = 10_000_000
_MICROSECONDS_MAX = 4_102_444_800_000_000  # the year 2100
_ID_MAX = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Page:
    """Which rows of a list are wanted: *limit* rows after *offset* rows, which end with the row keyed *after*."""

    limit: int
    offset: int
    after: tuple[datetime, int] | None

    def statement(self, paging: Paging, *, counted: str, keyed: str, values: dict[str, Any]) -> Statement:
        """Return the statement for this page; one row more than shown tells whether there is a next page."""
        if paging == "keyset" and self.after is not None:
            at, number = self.after
            return Statement(keyed, {**values, "rows": self.limit + 1, "after_at": at, "after_id": number})
        return Statement(counted, {**values, "rows": self.limit + 1, "offset": self.offset})

    def next_cursor(self, rows: Sequence[Row]) -> str | None:
        """Return the cursor of the page after *rows* as the statement gave them, or None: this is the last."""
        if len(rows) <= self.limit:
            return None
        last = rows[self.limit - 1]
        micros = (last["created_at"] - _EPOCH) // _MICROSECOND
        raw = json.dumps([self.offset + self.limit, micros, last["id"]], separators=(",", ":"))
        return base64.urlsafe_b64encode(raw.encode()).rstrip(b"=").decode()


async def page_wanted(
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    page: Annotated[int | None, Query(ge=1, le=100_000)] = None,
    cursor: Annotated[str | None, Query(max_length=200)] = None,
) -> Page:
    """Read the page from the query string."""
    if cursor is None:
        return Page(limit, ((page or 1) - 1) * limit, None)
    if page is not None:
        raise unprocessable("query.cursor", "a page is named by a number or by a cursor, not by both")
    offset, after = _read_cursor(cursor)
    return Page(limit, offset, after)


WantedPage = Annotated[Page, Depends(page_wanted)]


def _read_cursor(text: str) -> tuple[int, tuple[datetime, int]]:
    try:
        values = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except (binascii.Error, ValueError):
        values = None
    limits = (_OFFSET_MAX, _MICROSECONDS_MAX, _ID_MAX)
    if (
        not isinstance(values, list)
        or len(values) != len(limits)
        or not all(type(value) is int and 0 <= value <= most for value, most in zip(values, limits, strict=True))
    ):
        raise unprocessable("query.cursor", "not a cursor of this service; take `next` of the page before")
    return values[0], (_EPOCH + values[1] * _MICROSECOND, values[2])
