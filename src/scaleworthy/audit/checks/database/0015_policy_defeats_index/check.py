"""Which row level security policies cannot use an index?

`tenant_id IN (SELECT …)` is checked row by row, after the scan: measured at 150 ms where a comparison with
`current_setting` took 1 ms over 2 million rows. A VOLATILE function is called once per row, and never by an index.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pglast import ast
from pglast.enums import SubLinkType
from pglast.visitors import Visitor

from scaleworthy.audit.check import Check
from scaleworthy.audit.conclude import conclude
from scaleworthy.audit.evidence import Evidence, Policy
from scaleworthy.audit.statement import tree
from scaleworthy.finding import Evidence as Fact
from scaleworthy.finding import Finding, Fix

ID = "database/0015_policy_defeats_index"
ROWS_FAIL = 10_000


def run(evidence: Evidence) -> Iterator[Finding]:
    """Yield one finding per policy whose condition has to be checked on every row."""
    for policy in evidence.policies:
        table = evidence.tables.get(policy.table)
        reason = _reason(evidence, policy)
        if table is None or not table.row_security or reason is None:
            continue
        rows = max(table.rows, float(table.live_rows))
        yield conclude(
            ID,
            f"{table.label}.{policy.name}",
            "fail" if rows >= ROWS_FAIL else "warn",
            f"Policy {policy.name} of {table.label} is checked on every row",
            detail=f"USING ({policy.using}): {reason}",
            evidence=(
                Fact(f"rows of {table.label}", rows, "rows", source="pg_class, pg_stat_user_tables"),
                Fact(
                    "rows read by sequential scans", float(table.sequential_rows), "rows", source="pg_stat_user_tables"
                ),
            ),
            impact=f"each statement of a role under this policy may read all {rows:,.0f} rows",
            impact_level="high" if rows >= ROWS_FAIL else "low",
            effort="medium",
            fix=Fix(
                "Compare the column with one value that is known before the scan, such as "
                "tenant_id = current_setting('app.current_tenant')::uuid, or = ANY (ARRAY(SELECT …)) for several; index the column",
                "sql",
            ),
            labels={"table": table.label, "policy": policy.name},
        )


def _reason(evidence: Evidence, policy: Policy) -> str | None:
    parsed = tree(f"SELECT {policy.using}") if policy.using else None
    if parsed is None:
        return None
    seen = _Seen()
    seen(parsed)
    if seen.in_select:
        return "IN (SELECT …) becomes a filter behind the scan; no index can serve it"
    volatile = sorted(seen.functions & evidence.volatile_functions)
    return f"function {volatile[0]} is VOLATILE: it is called for every row" if volatile else None


class _Seen(Visitor):
    """Whether the condition asks IN (SELECT …), and which functions it calls."""

    def __init__(self) -> None:
        super().__init__()
        self.in_select = False
        self.functions: set[str] = set()

    def visit_SubLink(self, _ancestors: Any, node: ast.SubLink) -> None:  # noqa: N802 - pglast's naming
        """Note IN (SELECT …), which is = ANY (SELECT …)."""
        self.in_select |= node.subLinkType == SubLinkType.ANY_SUBLINK

    def visit_FuncCall(self, _ancestors: Any, node: ast.FuncCall) -> None:  # noqa: N802 - pglast's naming
        """Note the function's name, without its schema."""
        self.functions.add(str((node.funcname or ())[-1].sval))


CHECK = Check(ID, "Policies that defeat an index", "Every policy can use an index", run, needs=("policy",))
