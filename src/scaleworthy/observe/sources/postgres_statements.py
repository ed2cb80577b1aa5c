"""pg_stat_statements by difference: what each statement did since the last look.

The top statements by time are told apart, the rest is the series `queryid="other"`. A statement's text is read once,
when it first counts; our own are known by a comment in theirs, and left out.
"""

from __future__ import annotations

import re
from collections import defaultdict

from scaleworthy.observe.source import Differences, Sample
from scaleworthy.observe.sources.postgres_queries import MARK, STATEMENTS, TEXTS
from scaleworthy.observe.sources.postgres_session import Session

TOP = 100
OTHER = "other"
TEXT_MAX = 10_000
_SECRET = re.compile(r"(PASSWORD\s+)(E?'(?:[^']|'')*')", re.IGNORECASE)


class Statements:
    """The state between two looks at the pg_stat_statements in *schema*."""

    def __init__(self, schema: str) -> None:
        self._schema = schema
        self._calls: Differences[int] = Differences()
        self._ms: Differences[int] = Differences()
        self._rows: Differences[int] = Differences()
        self._known: set[int] = set()
        self._ours: set[int] = set()

    def sample(self, session: Session, sample: Sample) -> None:
        """Add what each statement did since the last call."""
        rows = session.rows(STATEMENTS, schema=self._schema)
        # A role without rights sees the counts of others without their queryid: 0 stands for all of those.
        grown_calls = self._calls.since({row[0] or 0: row[1] for row in rows})
        grown_ms = self._ms.since({row[0] or 0: row[2] for row in rows})
        grown_rows = self._rows.since({row[0] or 0: row[3] for row in rows})
        active = [queryid for queryid, calls in grown_calls.items() if calls > 0]
        self._learn(session, [queryid for queryid in active if queryid and queryid not in self._known], sample)
        counted = [queryid for queryid in active if queryid not in self._ours]
        named = sorted((one for one in counted if one), key=lambda one: (-grown_ms[one], one))[:TOP]
        label = dict.fromkeys(counted, OTHER) | {queryid: str(queryid) for queryid in named}
        for series, unit, grown, scale in (
            ("postgres.statement_calls", "calls", grown_calls, 1.0),
            ("postgres.statement_seconds", "s", grown_ms, 1e-3),
            ("postgres.statement_rows", "rows", grown_rows, 1.0),
        ):
            summed: dict[str, float] = defaultdict(float)
            for queryid in counted:
                summed[label[queryid]] += grown[queryid]
            for queryid_label, value in summed.items():
                sample.counter(series, unit, value * scale, queryid=queryid_label)

    def _learn(self, session: Session, unknown: list[int], sample: Sample) -> None:
        """Read the texts of statements that count for the first time."""
        if not unknown:
            return
        for queryid, text in session.rows(TEXTS, [unknown], schema=self._schema):
            if MARK in text:
                self._ours.add(queryid)
            elif text != "<insufficient privilege>":
                sample.facts.append(("statement", str(queryid), {"text": without_secrets(text)[:TEXT_MAX]}))
        self._known.update(unknown)


def without_secrets(text: str) -> str:
    """Return a statement's text with passwords starred: constants are `$1` already, but not those of utility statements."""
    return _SECRET.sub(r"\1'***'", text)
