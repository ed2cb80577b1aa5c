"""Rate limit: too many requests of a tenant, key or address are refused with 429, and told when to come back."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable

from scaleworthy.runtime.http.manner import Manner
from scaleworthy.runtime.http.message import Answer, Problem, Request
from scaleworthy.runtime.limit import FleetLimit, Limit, Verdict
from scaleworthy.runtime.tenant import current

# Of draft-ietf-httpapi-ratelimit-headers-10.
_EXCEEDED = "https://iana.org/assignments/http-problem-types#quota-exceeded"


def by_header(name: str) -> Callable[[Request], str | None]:
    """Count by the header *name*, `x-tenant-key` for example; requests without one are counted by address.

    What a client may write there at will is no limit for it: where keys are not checked before, add a limit `by_address`.
    """
    field = name.lower().encode()

    def key(request: Request) -> str | None:
        value = request.header(field)
        # A value is nobody's address.
        return request.address if value is None else f"{name}={value.decode('latin-1')}"

    return key


def by_tenant(request: Request) -> str | None:
    """Count by the tenant of the context (`runtime.tenant`), which something outside has checked; without one by address."""
    tenant = current.get()
    return request.address if tenant is None else f"tenant={tenant}"


def by_address(request: Request) -> str | None:
    """Count by the address that is connected; behind a proxy let the server put the client's in its place (`--proxy-headers`)."""
    return request.address


class RateLimit(Manner):
    """Asks *limit* before the application is asked.

    Args:
        limit: In this process or for the fleet.
        by: What a request is counted by; None from it: not at all.
        name: Of the policy, in the header fields.
        spare: Paths that are never limited, health and metrics for example.

    Every answer says what is left: `RateLimit-Policy` and `RateLimit`; a 429 says `Retry-After` too.
    """

    def __init__(
        self,
        limit: Limit | FleetLimit,
        *,
        by: Callable[[Request], str | None] = by_address,
        name: str = "default",
        spare: tuple[str, ...] = ("/health", "/api/health", "/metrics"),
    ) -> None:
        self._limit = limit
        self._by = by
        self._name = name
        self._policy = limit.quota.policy(name)
        self._spare = frozenset(spare)
        self.refused = 0

    def before(self, request: Request) -> Answer | Awaitable[Answer | None] | None:
        """Refuse it, or remember what to tell."""
        key = None if request.path in self._spare else self._by(request)
        if key is None:
            return None
        limit = self._limit
        return self._judge(request, limit.check(key)) if isinstance(limit, Limit) else self._wait(request, limit, key)

    async def _wait(self, request: Request, limit: FleetLimit, key: str) -> Answer | None:
        return self._judge(request, await limit.check(key))

    def _judge(self, request: Request, verdict: Verdict) -> Answer | None:
        request.notes[self] = verdict
        if verdict.allowed:
            return None
        self.refused += 1
        wait = "" if verdict.retry_after_s is None else f"; try again in {max(1, math.ceil(verdict.retry_after_s))} s"
        rate = f"{verdict.quota.burst} at once, {1e9 / verdict.quota.interval_ns:.3g} a second"
        detail = f"the limit is {rate}{wait}"
        more = {"violated-policies": [self._name]}
        return Problem(429, "Too many requests", detail, kind=_EXCEEDED, more=more)

    def after(self, request: Request, answer: Answer) -> Answer:
        """Say what is left."""
        self.head(request, answer)
        return answer

    def head(self, request: Request, answer: Answer) -> None:
        """Say what is left."""
        verdict = request.notes.get(self)
        if verdict is not None:
            answer.headers.append(self._policy)
            answer.headers += verdict.left(self._name)

    def trouble(self) -> str | None:
        """Return why each process counts for itself, of a fleet's limit."""
        return None if isinstance(self._limit, Limit) else self._limit.trouble()

    def counted(self) -> dict[str, int]:
        """Return how many were refused."""
        return {"limited": self.refused}
