"""Where does a request's time go? The share of the response time that was spent in database statements, and in which.

Measured at the baseline load, where requests hardly wait for each other: what is slow there is slow by itself. Statements of one
request that run side by side count twice, so the share can exceed 1; it is then shown as all of it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from scaleworthy.report.model import Bottleneck
from scaleworthy.series import Store
from scaleworthy.units import format_ns, format_ratio

LARGE_RATIO = 0.5
"""Share of the response time from which the database's statements are what a slow answer is made of."""
TEXT_MOST = 90


@dataclass(frozen=True, slots=True)
class TimeSpent:
    """Mean response time, the share of it in database statements, and the statement with the largest part.

    Attributes:
        database_ratio: From 0 to 1.
        top_ratio: Part of the response time, from 0 to 1.
    """

    response_mean_ns: float
    database_ratio: float
    top_statement: str
    top_ratio: float
    answered: int


def time_spent(store: Store, window: tuple[int, int]) -> TimeSpent | None:
    """Return where the time went in *window*, or None where no statements were observed or nothing was answered."""
    responses = store.histogram("load.response_time", window=window)
    spent = store.by_label("postgres.statement_seconds", "queryid", window=window)
    whole_s = responses.sum_ns / 1e9
    if not spent or whole_s <= 0 or responses.mean_ns is None:
        return None
    top = max(spent, key=lambda queryid: spent[queryid])
    fact = store.fact("statement", top)
    text = " ".join(str(fact["text"]).split()) if isinstance(fact, dict) and fact.get("text") else f"statement {top}"
    return TimeSpent(
        response_mean_ns=responses.mean_ns,
        database_ratio=min(1.0, sum(spent.values()) / whole_s),
        top_statement=text if len(text) <= TEXT_MOST else f"{text[: TEXT_MOST - 1]}…",
        top_ratio=min(1.0, spent[top] / whole_s),
        answered=responses.count,
    )


def with_time_spent(limits: Bottleneck, spent: TimeSpent | None, *, resource_known: bool) -> Bottleneck:
    """Return *limits* with where the time goes; where no resource explains the limit and statements do, they are named."""
    if spent is None:
        return limits
    fact = (
        f"at the baseline load {format_ratio(spent.database_ratio)} of the mean response time ({format_ns(spent.response_mean_ns)}, "
        f"n={spent.answered}) is spent in PostgreSQL statements; most, {format_ratio(spent.top_ratio)}, in: {spent.top_statement}"
    )
    if not resource_known and spent.database_ratio >= LARGE_RATIO:
        return replace(
            limits,
            resource="slow PostgreSQL statements",
            explanation=f"{format_ratio(spent.database_ratio)} of a request's time is spent in them even at a low load, so the "
            "objective breaks before any resource is used up",
            evidence=(fact, *limits.evidence),
        )
    return replace(limits, evidence=(*limits.evidence, fact))
