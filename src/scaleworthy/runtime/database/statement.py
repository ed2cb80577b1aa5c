"""What a statement may do, as far as its text shows: may a replica answer it?

A text that looks like a read and is not (a function that writes) is refused by the replica itself, which is read-only; the router then
asks the writer, and remembers.
"""

from __future__ import annotations

import re
from functools import lru_cache

# Literals and comments hide nothing and may hold any word. Quoted names are kept out with them: "update" is a name.
_HIDDEN = re.compile(
    r"""'(?:[^']|'')*' | "(?:[^"]|"")*" | --[^\n]* | /\*.*?\*/ | \$(?P<tag>\w*)\$.*?\$(?P=tag)\$""",
    re.DOTALL | re.VERBOSE,
)
_READS = re.compile(r"\s*\(*\s*(?:select|with|values|table|show|explain)\b", re.IGNORECASE)
_WRITES = re.compile(
    r"""\b(?: insert | update | delete | merge | into | copy | call | lock | nextval | setval | currval | analyze | create | drop | alter
    | pg_notify | pg_advisory\w* | txid_current | pg_current_xact_id | lo_\w+ )\b
    | \bfor\s+(?:no\s+key\s+update|update|key\s+share|share)\b""",
    re.IGNORECASE | re.VERBOSE,
)


@lru_cache(maxsize=4096)
def may_read_replica(text: str) -> bool:
    """Return whether *text* is a read that takes no locks and calls nothing known to write; in doubt it is not."""
    bare = _HIDDEN.sub(" ", text)
    return _READS.match(bare) is not None and _WRITES.search(bare) is None
