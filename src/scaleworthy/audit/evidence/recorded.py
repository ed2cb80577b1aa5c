"""What a recording adds: statements as they ran within its window, instead of since the statistics were reset."""

from __future__ import annotations

from dataclasses import replace

from scaleworthy.audit.evidence.model import Evidence


def statements_in_window(evidence: Evidence) -> Evidence:
    """Return the evidence with each statement's calls, time and rows taken from the recording, where it has them.

    A statement that did not run within the window is left out. Blocks are scaled by calls: the recording has none.
    """
    store = evidence.store
    if store is None:
        return evidence
    calls = store.by_label("postgres.statement_calls", "queryid", window=evidence.window)
    if not any(calls.values()):
        return evidence
    seconds = store.by_label("postgres.statement_seconds", "queryid", window=evidence.window)
    rows = store.by_label("postgres.statement_rows", "queryid", window=evidence.window)
    # One queryid may have run under several roles; the recording does not tell them apart, so each keeps its part.
    of_all = dict.fromkeys(calls, 0)
    for statement in evidence.statements:
        if statement.queryid in of_all:
            of_all[statement.queryid] += statement.calls
    statements = []
    for statement in evidence.statements:
        ran = calls.get(statement.queryid, 0.0)
        part = statement.calls / of_all[statement.queryid] if ran else 0.0
        if (count := round(ran * part)) < 1:
            continue
        total_ms = seconds.get(statement.queryid, 0.0) * part * 1e3
        scale = count / statement.calls
        statements.append(
            replace(
                statement,
                calls=count,
                total_ms=total_ms,
                mean_ms=total_ms / count,
                rows=round(rows.get(statement.queryid, 0.0) * part),
                blocks_hit=round(statement.blocks_hit * scale),
                blocks_read=round(statement.blocks_read * scale),
                temp_blocks=round(statement.temp_blocks * scale),
            )
        )
    start, end = evidence.window or store.span() or (0, 0)
    ordered = tuple(sorted(statements, key=lambda item: (-item.total_ms, item.queryid)))
    return replace(evidence, statements=ordered, statements_s=float(end - start))
