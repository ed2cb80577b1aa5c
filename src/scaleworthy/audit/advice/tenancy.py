"""What row level security adds to a statement: the column that it compares, and the setting that it compares it with."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pglast import ast
from pglast.enums import A_Expr_Kind

from scaleworthy.audit.evidence import Evidence
from scaleworthy.audit.statement import tree, uncast

_SETTING = re.compile(r"current_setting\s*\(\s*'([A-Za-z_][\w.]*)'")


@dataclass(frozen=True, slots=True)
class Tenancy:
    """A policy's `column = current_setting('setting')`."""

    table: str
    column: str
    setting: str


def tenancies(evidence: Evidence, table: str) -> tuple[Tenancy, ...]:
    """Return the comparisons with a setting that the table's policies make, in order and without repetition."""
    found: dict[Tenancy, None] = {}
    one: Any
    for policy in evidence.policies_of(table):
        parsed = tree(f"SELECT {policy.using}") if policy.using else None
        for node in _comparisons(parsed):
            for one, other in ((node.lexpr, node.rexpr), (node.rexpr, node.lexpr)):
                column = _last(one.fields) if isinstance(one, ast.ColumnRef) else ""
                setting = _setting(evidence, other) if column else None
                if setting is not None and column in evidence.columns.get(table, {}):
                    found[Tenancy(table, column, setting)] = None
    return tuple(found)


def _comparisons(node: Any) -> Iterator[Any]:
    if isinstance(node, ast.A_Expr) and node.kind == A_Expr_Kind.AEXPR_OP and _last(node.name) == "=":
        yield node
    for part in _parts(node):
        yield from _comparisons(part)


def _setting(evidence: Evidence, node: Any) -> str | None:
    """Return the setting that an expression reads, directly or within a function that it calls."""
    if isinstance(node, ast.FuncCall):
        name = _last(node.funcname)
        first: Any = uncast((node.args or (None,))[0])
        if name == "current_setting" and isinstance(first, ast.A_Const):
            return str(getattr(first.val, "sval", "")) or None
        if found := _SETTING.search(evidence.function_bodies.get(name, "")):
            return found[1]
    return next((setting for part in _parts(node) if (setting := _setting(evidence, part)) is not None), None)


def _last(names: Any) -> str:
    """Return the last part of a qualified name."""
    return str(getattr(names[-1], "sval", ""))


def _parts(node: Any) -> Iterator[Any]:
    if isinstance(node, tuple):
        yield from node
    elif isinstance(node, ast.Node):
        yield from (getattr(node, name) for name in node)
