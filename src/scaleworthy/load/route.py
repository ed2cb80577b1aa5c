"""The route behind a path: `/api/leads/8123?x=1` and `/api/leads/77` are both `/api/leads/{id}`.

Results are kept by route, because a series for each URL tells nothing and never stops growing.
"""

from __future__ import annotations

import re
from urllib.parse import urlsplit

_ID = re.compile(
    r"\d+"  # numbers
    r"|[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}"  # UUIDs
    r"|(?=.*\d)[0-9a-fA-F]{8,}"  # hexadecimal keys, hashes
    r"|(?=.*\d)[\w-]{16,}"  # other long keys with a digit in them
    r"|[^/]*%[0-9a-fA-F]{2}[^/]*"  # what had to be escaped was typed by someone
)


def route_of(path: str) -> str:
    """Return *path* without its query, each segment that looks like a key replaced by `{id}`."""
    segments = urlsplit(path).path.split("/")
    return "/".join("{id}" if _ID.fullmatch(segment) else segment for segment in segments) or "/"
