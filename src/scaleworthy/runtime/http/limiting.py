"""Rate limit: too many requests of a tenant, key or address are refused with 429, and told when to come back."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable

from scaleworthy.runtime.http.manner import Manner
from scaleworthy.runtime.http.message import Answer, Request, problem
from scaleworthy.runtime.limit import FleetLimit, Limit, Verdict


def by_header(name: str) -> Callable[[Request], str | None]:
    """Count by the header *name*, `x-tenant-key` for example; requests without one are counted by address."""
    field = name.lower().encode()

    def key(request: Request) -> str | None:
        value = request.header(field)
        return request.address if value is None else value.decode("latin-1")

    return key


def by_address(request: Request) -> str | None:
    """Count by the address that is connected."""
    return request.address


class RateLimit(Manner):
    """Asks *limit* before the application is asked.

    Args:
        limit: In this process or for the fleet.
        by: What a request is counted by; None from it: not at all.
        name: Of the policy, in the header fields.

    Every answer says what is left: `RateLimit-Policy` and `RateLimit`; a 429 says `Retry-After` too.
    """

    def __init__(
        self, limit: Limit | FleetLimit, *, by: Callable[[Request], str | None] = by_address, name: str = "default"
    ) -> None:
        self._check = limit.check
        self._by = by
        self._name = name
        self.refused = 0

    async def before(self, request: Request) -> Answer | None:
        """Refuse it, or remember what to tell."""
        key = self._by(request)
        if key is None:
            return None
        checked = self._check(key)
        verdict: Verdict = await checked if inspect.isawaitable(checked) else checked
        request.notes[self] = verdict
        if verdict.allowed:
            return None
        self.refused += 1
        wait = "" if verdict.retry_after_s is None else f"; try again in {max(1, math.ceil(verdict.retry_after_s))} s"
        rate = f"{verdict.quota.burst} at once, {1e9 / verdict.quota.interval_ns:.3g} a second"
        return problem(429, "Too many requests", f"the limit is {rate}{wait}")

    def after(self, request: Request, answer: Answer) -> Answer:
        """Say what is left."""
        self.head(request, answer)
        return answer

    def head(self, request: Request, answer: Answer) -> None:
        """Say what is left."""
        verdict = request.notes.get(self)
        if verdict is not None:
            answer.headers += [(name.encode(), value.encode()) for name, value in verdict.headers(self._name).items()]
