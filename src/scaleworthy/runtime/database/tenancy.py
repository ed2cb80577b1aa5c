"""Statements, and what puts them in the scope of one tenant.

`app.current_tenant` is set within the transaction and gone at its end; policies compare it. Set for the session instead, it would stay with
the pooled connection for whoever comes next.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Row = dict[str, Any]
Params = Sequence[Any] | Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class Statement:
    """SQL with places for values (`%s` or `%(name)s`), and what goes into them. Without values a `%` is a `%`."""

    text: str
    values: Params = None


def scope(setting: str, tenant: str) -> Statement:
    """Return what lets the rest of a transaction see *tenant* alone."""
    return Statement("select set_config(%s, %s, true)", (setting, tenant))
