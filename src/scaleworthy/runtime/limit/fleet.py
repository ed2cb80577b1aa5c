"""A limit for all processes of a fleet, kept in Valkey or Redis: one script, the server's own clock."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from scaleworthy.runtime.guard import Guard
from scaleworthy.runtime.limit.local import Limit
from scaleworthy.runtime.limit.recording import record
from scaleworthy.runtime.limit.verdict import LimitStatistics, Quota, Verdict
from scaleworthy.series.meter import Meter

if TYPE_CHECKING:
    from redis.asyncio import Redis

# Times in µs, so that Lua's numbers hold them exactly. ARGV: interval, burst, cost. Answer: allowed, µs until the bucket is empty.
_CHECK = """
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local interval, tolerance = tonumber(ARGV[1]), tonumber(ARGV[1]) * tonumber(ARGV[2])
local tat = math.min(tonumber(redis.call('GET', KEYS[1]) or now), now + tolerance)
tat = math.max(tat, now)
local next = tat + interval * tonumber(ARGV[3])
if next - now > tolerance then return {0, string.format('%.0f', tat - now)} end
redis.call('SET', KEYS[1], string.format('%.0f', next), 'PX', math.ceil((next - now) / 1000) + 1)
return {1, string.format('%.0f', next - now)}
"""


# Questions under way at once; the next wait, within their budget.
_CONNECTIONS_MOST = 32


class FleetLimit:
    """So many events a period for each key, whichever process they come to.

    While the server does not answer within *budget_s*, each process counts for itself, by the same rate divided by *processes*.

    Args:
        client: A redis.asyncio client, opened and closed by its owner.
        rate, burst: As for `Limit`.
        processes: How many share the limit; what each counts by when it is alone.
        prefix: What all keys begin with.
        budget_s: How long an event waits for the server.
        waiting: Most events that wait for it at once; the next are counted in the process.
        name, meter: As for `Limit`.
        now: For tests, s; the rate itself goes by the server's clock.
    """

    def __init__(
        self,
        client: Redis,
        rate: str,
        *,
        burst: int | None = None,
        processes: int = 1,
        prefix: str = "scaleworthy:limit:",
        budget_s: float = 0.05,
        waiting: int = 1_000,
        name: str = "default",
        meter: Meter | None = None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self.quota = Quota.parse(rate, burst=burst)
        self._script = client.register_script(_CHECK)
        self._prefix = prefix
        self._guard = Guard("the limit's Valkey", budget_s=budget_s, now=now)
        share = self.quota.burst / processes
        self._alone = Limit(f"{1e9 / self.quota.interval_ns / processes:.9f}/s", burst=max(1, round(share)))
        # A client's own pool has an end at which it raises.
        self._room = asyncio.Semaphore(_CONNECTIONS_MOST)
        self._waiting = 0
        self._waiting_most = waiting
        self._allowed = self._refused = 0
        if meter is not None:
            record(meter, name, self.statistics)

    def trouble(self) -> str | None:
        """Return why each process counts for itself; None: they count together."""
        return self._guard.trouble

    def statistics(self) -> LimitStatistics:
        """Return how many events of this process passed, how many did not, and how many it counted alone."""
        alone = self._alone.statistics()
        counted = alone.allowed + alone.refused
        return LimitStatistics(self._allowed + alone.allowed, self._refused + alone.refused, counted)

    async def check(self, key: str, cost: int = 1) -> Verdict:
        """Count an event of *key* that weighs *cost*, and say whether it passes."""
        interval_us = max(1, round(self.quota.interval_ns / 1e3))
        answer = None
        if self._waiting < self._waiting_most:
            self._waiting += 1
            try:
                args = [interval_us, self.quota.burst, cost]
                answer = await self._guard.ask(lambda: self._ask(self._prefix + key, args), None)
            finally:
                self._waiting -= 1
        if answer is None:
            return self._alone.check(key, cost)
        allowed, ahead_us = bool(answer[0]), float(answer[1])
        self._allowed += allowed
        self._refused += not allowed
        tolerance_us = interval_us * self.quota.burst
        remaining = max(0, int((tolerance_us - ahead_us) // interval_us))
        retry_s = 0.0 if allowed else (ahead_us + interval_us * cost - tolerance_us) / 1e6
        never = cost > self.quota.burst
        return Verdict(allowed, remaining, None if never else retry_s, ahead_us / 1e6, self.quota)

    async def _ask(self, key: str, args: list[int]) -> list[bytes]:
        async with self._room:
            answer: list[bytes] = await self._script(keys=[key], args=args)
            return answer
