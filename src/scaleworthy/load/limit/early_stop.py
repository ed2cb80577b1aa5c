"""End a probe that is lost already: instability shows before the objective's own statistics do.

- Errors: Wald's sequential probability ratio test between half of the allowed ratio and twice of it, 1 in 100 wrong either way.
  Source: A. Wald, Ann. Math. Stat. 16 (1945) 117.
- Backlog: what is under way or waiting takes several times the latency limit to clear, and grows.
- Growth: over at least five seconds the backlog rises by over 5 % of what arrives, and its slope is beyond chance.

What is under way is a backlog only beside what a request usually takes: a stream of ten seconds at ten per second is a hundred of them,
and no queue. So where no objective bounds the time of whole requests (but the time to a stream's first event, or a message's round
trip), the limit of a backlog is what requests took at a level that held; before one is known, a backlog says nothing.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np

from scaleworthy.load.second import Second
from scaleworthy.series import Objective
from scaleworthy.series.objectives.expression import Expression

_WRONG = 0.01
_USUAL_ERRORS = 0.05
_WHOLE = ("load.response_time", "load.service_time")
_SETTLES_IN = 2.0
_CLEARS_IN = 3.0
_CLEARS_LEAST_S = 0.5
_BACKLOG_LEAST = 10
_GROWTH_SECONDS = 5
_GROWTH_SHARE = 0.05
_GROWTH_T = 4.0


class EarlyStop:
    """Watches the seconds of one probe."""

    def __init__(self, objectives: Sequence[Objective], *, usual_s: float | None = None) -> None:
        """Watch for what breaks *objectives*; *usual_s* is the mean service time at a level that held, where one did."""
        wanted = [objective.expression for objective in objectives]
        allowed = _strictest(item for item in wanted if item.unit == "ratio") or _USUAL_ERRORS
        self._good, self._bad = allowed / 2, min(allowed * 2, 0.9)
        limit_ns = _strictest(item for item in wanted if item.unit == "ns" and _is_of_whole_requests(item))
        self._latency_s = limit_ns / 1e9 if limit_ns else usual_s
        # At a new level answers come at the old one's rate, until its own first requests are through.
        self._settled_from = 2.0 if limit_ns else _SETTLES_IN * (usual_s or 0.0) + 2
        self._likelihood = 0.0
        self._backlog: list[float] = []
        self._answered = 0

    def reason_to_stop(self, second: Second) -> str | None:
        """Take one more second; return why the probe need not go on, or None."""
        return self._errors(second) or self._growth(second)

    def _errors(self, second: Second) -> str | None:
        failed = second.failed + second.not_started
        passed = max(second.answered + second.not_started - failed, 0)
        self._likelihood += failed * math.log(self._bad / self._good)
        self._likelihood += passed * math.log((1 - self._bad) / (1 - self._good))
        # From below the test starts again: a target that turns bad must not first pay back its good past.
        self._likelihood = max(self._likelihood, math.log(_WRONG))
        if self._likelihood > math.log(1 / _WRONG) and failed >= 5:
            return f"errors: {failed:,} of {failed + passed:,} in one second"
        return None

    def _growth(self, second: Second) -> str | None:
        self._backlog.append(second.in_flight + second.waiting)
        backlog = self._backlog
        if len(backlog) < 2 or not second.planned:
            return None
        self._answered += second.answered
        if self._latency_s is None or len(backlog) < self._settled_from:
            return None
        served = max(self._answered / (len(backlog) - 1), 1.0)
        if backlog[-1] < _BACKLOG_LEAST:
            return None
        if backlog[-1] > backlog[0] and backlog[-1] / served > max(_CLEARS_IN * self._latency_s, _CLEARS_LEAST_S):
            return f"backlog: {backlog[-1]:,.0f} requests under way, {backlog[-1] / served:.1f} s of work"
        if len(backlog) < _GROWTH_SECONDS or backlog[-1] / served < self._latency_s:
            return None
        slope, error = _slope(backlog[-2 * _GROWTH_SECONDS :])
        if slope > _GROWTH_SHARE * second.planned and slope > _GROWTH_T * error:
            return f"backlog grows by {slope:,.0f} requests a second"
        return None


def _is_of_whole_requests(wanted: Expression) -> bool:
    return all(selector.name in _WHOLE and not selector.labels for selector in wanted.series)


def _strictest(wanted: Iterable[Expression]) -> float | None:
    """Return the lowest upper limit, or None."""
    return min((item.limit for item in wanted if item.wants_less and item.limit > 0), default=None)


def _slope(values: Sequence[float]) -> tuple[float, float]:
    """Return the slope per second of a line through *values*, and its standard error."""
    at = np.arange(len(values)) - (len(values) - 1) / 2
    y = np.asarray(values)
    power = float(at @ at)
    slope = float(at @ y) / power
    left = y - y.mean() - slope * at
    return slope, math.sqrt(float(left @ left) / (len(values) - 2) / power)
