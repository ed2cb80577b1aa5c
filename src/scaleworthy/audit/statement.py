"""Read the text of statements that ran, without ever rewriting it, and say it in one line."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any, Literal

from pglast import ast, parse_sql
from pglast.parser import ParseError, fingerprint

from scaleworthy.audit.evidence import Evidence, Statement
from scaleworthy.units import format_ns, format_ratio, three_digits

Kind = Literal["select", "insert", "update", "delete", "other"]
_KINDS: dict[type, Kind] = {
    ast.SelectStmt: "select",
    ast.InsertStmt: "insert",
    ast.UpdateStmt: "update",
    ast.DeleteStmt: "delete",
}


# pg_stat_statements puts $n for the constant of `interval '30 days'` and leaves the type before it, which no parser takes.
_TYPED_CONSTANT = re.compile(r"\b(interval|date|timestamptz|timestamp|timetz|time)\s+(\$\d+)", re.IGNORECASE)


def restored(text: str) -> str:
    """Return a normalised statement as SQL again: `interval $1` as `$1::interval`. Nothing else is touched."""
    return _TYPED_CONSTANT.sub(r"\2::\1", text)


@lru_cache(maxsize=4096)
def tree(text: str) -> Any | None:
    """Return the parsed statement, or None for text that does not parse or holds several."""
    try:
        parsed = parse_sql(restored(text))
    except ParseError:
        return None
    return parsed[0].stmt if len(parsed) == 1 else None


def kind(text: str) -> Kind:
    """Return what the statement does."""
    return _KINDS.get(type(tree(text)), "other")


def uncast(node: Any) -> Any:
    """Return what is inside casts."""
    while isinstance(node, ast.TypeCast):
        node = node.arg
    return node


def one_line(text: str, length: int = 110) -> str:
    """Return the statement's text in one line of at most *length* characters."""
    flat = " ".join(text.split())
    return flat if len(flat) <= length else f"{flat[: length - 1]}…"


def stable_name(statement: Statement) -> str:
    """Return a name that the same statement has in another database too: a query id holds the numbers of its tables."""
    try:
        return str(fingerprint(statement.text))
    except ParseError:
        return str(statement.queryid)


def cost(evidence: Evidence, statement: Statement) -> str:
    """Return what a statement costs: `62.0 % of all database time, 41.0 ms a call, 18.0 calls/s`."""
    parts = [
        f"{format_ratio(evidence.share([statement]))} of all database time",
        f"{format_ns(statement.mean_ms * 1e6)} a call",
    ]
    if evidence.statements_s and evidence.statements_s > 0:
        parts.append(f"{three_digits(statement.calls / evidence.statements_s)} calls/s")
    else:
        parts.append(f"{statement.calls:,} calls")
    return ", ".join(parts)


def source(evidence: Evidence) -> str:
    """Return where statement counts come from, for an evidence line."""
    if evidence.store is not None:
        return "pg_stat_statements, within the recording"
    return "pg_stat_statements"
