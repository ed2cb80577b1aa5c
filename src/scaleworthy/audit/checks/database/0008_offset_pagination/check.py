"""Which statements skip rows with OFFSET: the deeper the page, the more rows are read and thrown away?"""

from __future__ import annotations

from collections.abc import Iterator

from pglast import ast

from scaleworthy.audit.check import Check
from scaleworthy.audit.conclude import conclude, level_of_share
from scaleworthy.audit.evidence import Evidence
from scaleworthy.audit.statement import cost, one_line, source, stable_name, tree
from scaleworthy.finding import Evidence as Fact
from scaleworthy.finding import Finding, Fix

ID = "database/0008_offset_pagination"
MEAN_MS_FAIL = 20.0
CALLS_MIN = 2


def run(evidence: Evidence) -> Iterator[Finding]:
    """Yield one finding per statement with an OFFSET of its own."""
    for statement in evidence.statements:
        parsed = tree(statement.text)
        if not isinstance(parsed, ast.SelectStmt) or parsed.limitOffset is None or statement.calls < CALLS_MIN:
            continue
        share = evidence.share([statement])
        yield conclude(
            ID,
            stable_name(statement),
            "fail" if statement.mean_ms >= MEAN_MS_FAIL else "warn",
            f"Pages are skipped with OFFSET: {one_line(statement.text, 60)}",
            detail=" ".join(statement.text.split()),
            evidence=(
                Fact("mean time of a call", statement.mean_ms, "ms", statement.calls, source=source(evidence)),
                Fact(
                    "8 kB blocks a call", statement.blocks_per_call, "blocks", statement.calls, source=source(evidence)
                ),
                Fact("rows returned a call", statement.rows_per_call, "rows", statement.calls, source=source(evidence)),
            ),
            impact=cost(evidence, statement),
            impact_level=level_of_share(share),
            effort="medium",
            fix=Fix(f"Continue after the last row seen: {_continue_after(parsed)}", "code"),
            labels={"queryid": statement.queryid},
        )


def _continue_after(parsed: ast.SelectStmt) -> str:
    keys = []
    for item in parsed.sortClause or ():
        fields = getattr(item.node, "fields", ())
        if not fields or not hasattr(fields[-1], "sval"):
            return "order by a unique key, return its last value with each page, and ask for what comes after it"
        keys.append((str(fields[-1].sval), item.sortby_dir.name == "SORTBY_DESC"))
    if not keys:
        return "order by a unique key first: without ORDER BY, pages overlap"
    names = [name for name, _ in keys] + ([] if any(name == "id" for name, _ in keys) else ["id"])
    places = ", ".join(f":last_{name}" for name in names)
    down = {falling for _, falling in keys}
    if len(down) > 1:
        return f"return the last {', '.join(names)} with each page, and ask for what comes after it, one comparison per key"
    order = " DESC" if down == {True} else ""
    return (
        f"WHERE ({', '.join(names)}) {'<' if order else '>'} ({places}) "
        f"ORDER BY {', '.join(name + order for name in names)} LIMIT n, with an index on ({', '.join(names)})"
    )


CHECK = Check(ID, "Pages by OFFSET", "No statement skips rows with OFFSET", run, needs=("statements",))
