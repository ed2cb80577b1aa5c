"""What a request is called in the results: its method and route, so that a million ids are one step.

A segment of the path that looks like an id (digits, a UUID, a long hexadecimal or mixed word) is shown as `{id}`, the query is left
out. `name=` says it better wherever this guesses wrong.
"""

from __future__ import annotations

import re

NAME_MAX = 200
_ID = re.compile(
    r"\d+"
    r"|[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}"
    r"|(?=[^/]*\d)[0-9a-fA-F]{8,}"
    r"|(?=[^/]*\d)(?=[^/]*[A-Za-z])[\w-]{16,}"
)


def route_name(method: str, path: str) -> str:
    """Return the step's name for a request: `GET /users/{id}/orders`."""
    route = path.partition("?")[0]
    if any(char.isdigit() for char in route):
        route = "/".join("{id}" if _ID.fullmatch(segment) else segment for segment in route.split("/"))
    return f"{method} {route}"[:NAME_MAX]
