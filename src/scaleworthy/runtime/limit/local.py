"""A limit in one process: the generic cell rate algorithm, one time per key."""

from __future__ import annotations

from collections.abc import Callable

from scaleworthy._native import RateTable
from scaleworthy.runtime.limit.recording import record
from scaleworthy.runtime.limit.verdict import LimitStatistics, Quota, Verdict
from scaleworthy.series.meter import Meter

_new = tuple.__new__


class Limit:
    """So many events a period for each key.

    Args:
        rate: Such as `50/s` or `100/m`.
        burst: How many may come at once; None: a second's worth.
        keys: Most keys remembered; beyond that those that would be free soonest are forgotten, which can only let more through.
        name: What `runtime.limit.allowed` and `runtime.limit.refused` are recorded under.
        meter: What they are recorded with.
        now_ns: For tests; None: the process's monotonic clock.
    """

    def __init__(
        self,
        rate: str,
        *,
        burst: int | None = None,
        keys: int = 100_000,
        name: str = "default",
        meter: Meter | None = None,
        now_ns: Callable[[], int] | None = None,
    ) -> None:
        self.quota = Quota.parse(rate, burst=burst)
        self._table = RateTable(interval_ns=self.quota.interval_ns, burst=self.quota.burst, keys=keys)
        self._judge = self._table.judge
        self._now_ns = now_ns
        if meter is not None:
            record(meter, name, self.statistics)
        self.allows: Callable[..., bool] = self._table.allows if now_ns is None else self._allows_at
        """`allows(key, cost=1)`: count an event and return whether it passes, the quick way."""

    def check(self, key: str, cost: int = 1) -> Verdict:
        """Count an event of *key* that weighs *cost*, and say whether it passes; one that does not counts for nothing."""
        # As Verdict(…) does, without its function in Python.
        return _new(Verdict, self._judge(key, cost, self.quota, self._now_ns and self._now()))

    def statistics(self) -> LimitStatistics:
        """Return how many events passed and how many did not."""
        return LimitStatistics(*self._table.counts())

    def trouble(self) -> str | None:
        """Return None: nothing it needs can be gone."""
        return None

    def _allows_at(self, key: str, cost: int = 1) -> bool:
        return self._table.allows(key, cost, self._now())

    def _now(self) -> int | None:
        return None if self._now_ns is None else max(0, self._now_ns())
