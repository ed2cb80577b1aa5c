"""Places for values: `%s` and `%(name)s` as psycopg writes them, `$1` as PostgreSQL does."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from psycopg import ProgrammingError

_PLACE = re.compile(r"%(?:(?P<percent>%)|(?P<position>s)|\((?P<name>[^)]+)\)s|(?P<other>.?))", re.DOTALL)
_TEXTS_KEPT = 4096

Order = tuple[str, ...] | int
"""Names in the order of their places, or how many places there are."""


@lru_cache(maxsize=_TEXTS_KEPT)
def numbered(text: str) -> tuple[bytes, Order]:
    """Return *text* with numbered places, and what goes into them in order.

    Raises:
        psycopg.ProgrammingError: Both kinds of places, or another kind of them.
    """
    names: dict[str, int] = {}
    positions = 0

    def place(found: re.Match[str]) -> str:
        nonlocal positions
        if found["percent"]:
            return "%"
        if found["position"]:
            positions += 1
            return f"${positions}"
        if found["name"] is None:
            raise ProgrammingError(f"only %s, %(name)s and %% may follow each other in a statement, got {found[0]!r}")
        return f"${names.setdefault(found['name'], len(names) + 1)}"

    made = _PLACE.sub(place, text).encode()
    if names and positions:
        raise ProgrammingError("a statement has places by name or by position, not both")
    return made, tuple(names) if names else positions


def in_order(order: Order, values: Sequence[Any] | Mapping[str, Any]) -> list[Any]:
    """Return *values* in the order of their places.

    Raises:
        psycopg.ProgrammingError: Some are missing, or there are too many.
    """
    if isinstance(order, int):
        if isinstance(values, Mapping):
            if order:
                raise ProgrammingError(f"the statement has {order} places by position, and the values have names")
            return []
        if len(values) != order:
            raise ProgrammingError(f"the statement has {order} places, and there are {len(values)} values")
        return list(values)
    if not isinstance(values, Mapping):
        raise ProgrammingError("the statement has places by name, and the values have none")
    missing = [name for name in order if name not in values]
    if missing:
        raise ProgrammingError(f"values are missing: {', '.join(missing)}")
    return [values[name] for name in order]
