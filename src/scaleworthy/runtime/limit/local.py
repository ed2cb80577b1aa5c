"""A limit in one process: the generic cell rate algorithm, one time per key."""

from __future__ import annotations

from collections.abc import Callable

from scaleworthy._native import RateTable
from scaleworthy.runtime.limit.verdict import Quota, Verdict


class Limit:
    """So many events a period for each key.

    Args:
        rate: Such as `50/s` or `100/m`.
        burst: How many may come at once; None: a second's worth.
        keys: Most keys remembered; beyond that those that would be free soonest are forgotten, which can only let more through.
        now_ns: For tests; None: the process's monotonic clock.
    """

    def __init__(
        self, rate: str, *, burst: int | None = None, keys: int = 100_000, now_ns: Callable[[], int] | None = None
    ) -> None:
        self.quota = Quota.parse(rate, burst=burst)
        self._table = RateTable(interval_ns=self.quota.interval_ns, burst=self.quota.burst, keys=keys)
        self._now_ns = now_ns
        self.allows: Callable[..., bool] = self._table.allows if now_ns is None else self._allows_at
        """`allows(key, cost=1)`: count an event and return whether it passes, the quick way."""

    def check(self, key: str, cost: int = 1) -> Verdict:
        """Count an event of *key* that weighs *cost*, and say whether it passes; one that does not counts for nothing."""
        allowed, remaining, retry_ns, reset_ns = self._table.check(key, cost, self._now())
        return Verdict(allowed, remaining, None if retry_ns is None else retry_ns / 1e9, reset_ns / 1e9, self.quota)

    def _allows_at(self, key: str, cost: int = 1) -> bool:
        return self._table.allows(key, cost, self._now())

    def _now(self) -> int | None:
        return None if self._now_ns is None else self._now_ns()
