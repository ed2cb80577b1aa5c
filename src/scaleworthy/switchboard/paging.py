"""Pages of a list, newest first: `limit` and either `page` or the `next` cursor of the page before.

A cursor is the runtime's (`runtime.bulk.Keyset`), sealed for its list. It holds both how far the list was read and the key of the last
row shown, so that it means the same to either way of paging: offset counts rows again from the top, keyset goes on behind the key.
Keyset's cost does not grow with the page, and rows added meanwhile neither repeat nor hide others.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

from fastapi import Depends, Query

from scaleworthy.errors import UsageError
from scaleworthy.runtime.bulk import Keyset, Position
from scaleworthy.switchboard.database import Row, Statement
from scaleworthy.switchboard.refusal import unprocessable
from scaleworthy.switchboard.shape import Paging

_OFFSET_MAX = 10_000_000
_ID_MAX = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Listing:
    """A list that is paged: what is selected, and in which order."""

    select: str
    order: Keyset


def newest_first(name: str, alias: str, select: str) -> Listing:
    """Return the list called *name* of *select*, whose rows of *alias* have `created_at` and `id`."""
    return Listing(select, Keyset([f"{alias}.created_at", f"{alias}.id"], "desc", name=name))


@dataclass(frozen=True, slots=True)
class Page:
    """Which rows of a list are wanted."""

    limit: int
    number: int
    cursor: str | None

    def statement(
        self, paging: Paging, listing: Listing, *, only: str = "", values: Mapping[str, Any] | None = None
    ) -> Statement:
        """Return the statement for this page, of rows for which *only* holds; one row more than shown tells of a next page."""
        order = listing.order
        position = self._position(order)
        given = {**(values or {}), "rows": self.limit + 1}
        if paging == "keyset" and position is not None:
            text = f"{listing.select} {order.where(position, also=only)} {order.order(position)} limit %(rows)s"
            return Statement(text, given | order.values(position))
        text = f"{listing.select} {order.where(None, also=only)} {order.order()} limit %(rows)s offset %(offset)s"
        return Statement(text, {**given, "offset": self._offset(position)})

    def shown(self, noun: str, listing: Listing, rows: Sequence[Row]) -> dict[str, Any]:
        """Return this page of a list of *noun* as it is shown, of *rows* as the statement gave them; the last has no `next`."""
        read = self._offset(self._position(listing.order)) + self.limit
        following = listing.order.page(rows, self.limit, extra=read).next
        return {noun: rows[: self.limit], "limit": self.limit, "next": following}

    def _position(self, order: Keyset) -> Position | None:
        if self.cursor is None:
            return None
        try:
            position = order.read(self.cursor)
            at, number = position.values
            # The seal has no secret: it keeps out mistakes, not somebody who reads this, whose values are looked at here.
            if isinstance(at, datetime) and at.tzinfo is not None and type(number) is int and 0 <= number <= _ID_MAX:
                return position
        except UsageError:
            pass
        raise unprocessable("query.cursor", "not a cursor of this list; take `next` of the page before")

    def _offset(self, position: Position | None) -> int:
        if position is None:
            return (self.number - 1) * self.limit
        offset = position.extra
        return offset if type(offset) is int and 0 <= offset <= _OFFSET_MAX else 0


async def page_wanted(
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    page: Annotated[int | None, Query(ge=1, le=100_000)] = None,
    cursor: Annotated[str | None, Query(max_length=200)] = None,
) -> Page:
    """Read the page from the query string."""
    if cursor is not None and page is not None:
        raise unprocessable("query.cursor", "a page is named by a number or by a cursor, not by both")
    return Page(limit, page or 1, cursor)


WantedPage = Annotated[Page, Depends(page_wanted)]
