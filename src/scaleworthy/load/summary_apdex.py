"""Apdex: one number from 0 to 1 for how many requests were quick enough.

Formula: (satisfied + tolerated / 2) / started, where a response within the threshold T satisfies, one within 4 T is tolerated,
and every other one, and every request without an answer, is not.
Source:  Apdex Alliance, Application Performance Index, Technical Specification 1.1.
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from scaleworthy.series import Store
from scaleworthy.units import parse_duration_ns

_TOLERATED = 4
_RATINGS = ((0.94, "excellent"), (0.85, "good"), (0.70, "fair"), (0.50, "poor"))


class Apdex(BaseModel):
    """How a run's response times compare with the plan's threshold."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    threshold_ms: float
    score: float
    rating: str
    satisfied: int
    tolerated: int
    frustrated: int


def apdex_of(store: Store, window: tuple[int, int], *, started: int) -> Apdex | None:
    """Return the apdex of *window*; None where the plan has no threshold or nothing was started."""
    threshold = (store.fact("load", "plan") or {}).get("apdex")
    if threshold is None or not started:
        return None
    threshold_ns = parse_duration_ns(threshold)
    times = store.histogram("load.response_time", labels={}, window=window)
    satisfied = times.count - times.count_above(threshold_ns)
    tolerated = times.count - times.count_above(_TOLERATED * threshold_ns) - satisfied
    score = (satisfied + tolerated / 2) / started
    return Apdex(
        threshold_ms=threshold_ns / 1e6,
        score=round(score, 4),
        rating=next((word for least, word in _RATINGS if score >= least), "unacceptable"),
        satisfied=satisfied,
        tolerated=tolerated,
        frustrated=started - satisfied - tolerated,
    )
