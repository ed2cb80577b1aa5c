"""What a limit is, and what it says of an event."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

from scaleworthy.errors import UsageError
from scaleworthy.units import parse_rate_per_s


@dataclass(frozen=True, slots=True)
class Quota:
    """*burst* events at once, and one more each *interval_ns*.

    `Quota.parse("100/m", burst=20)` lets 20 through at once and 100 a minute in the long run.
    """

    interval_ns: int
    burst: int

    @classmethod
    def parse(cls, rate: str, *, burst: int | None = None) -> Quota:
        """Return the quota of *rate*, such as `50/s` or `100/m`; without *burst* a second's worth, at least one.

        Raises:
            UsageError: No rate, or nothing would ever pass.
        """
        per_s = parse_rate_per_s(rate)
        if per_s <= 0 or per_s > 1e9:
            raise UsageError(f"a limit lets from one event in a long time to 10^9 a second through; got {rate!r}")
        most = max(1, math.ceil(per_s)) if burst is None else burst
        if most < 1:
            raise UsageError(f"a burst is at least 1 event, got {most}")
        return cls(round(1e9 / per_s), most)

    @property
    def window_s(self) -> int:
        """Seconds in which an empty burst is whole again, at least 1."""
        return max(1, math.ceil(self.interval_ns * self.burst / 1e9))

    def policy(self, name: str = "default") -> tuple[bytes, bytes]:
        """Return the field that tells a client what the limit is, whatever is left of it."""
        return (b"ratelimit-policy", f'"{name}";q={self.burst};w={self.window_s}'.encode())


class Verdict(NamedTuple):
    """Whether an event passes; how many more would now; when it would (None: never, it costs more than the burst)."""

    allowed: bool
    remaining: int
    retry_after_s: float | None
    reset_after_s: float
    quota: Quota

    def headers(self, name: str = "default") -> dict[str, str]:
        """Return the fields that tell a client: RateLimit-Policy and RateLimit, Retry-After.

        Seconds are rounded up: who waits as told is let through.

        Source: draft-ietf-httpapi-ratelimit-headers-10.
        """
        return {field.decode(): value.decode() for field, value in self.fields(name)}

    def fields(self, name: str = "default") -> list[tuple[bytes, bytes]]:
        """Return the same as ASGI wants it."""
        return [self.quota.policy(name), *self.left(name)]

    def left(self, name: str = "default") -> list[tuple[bytes, bytes]]:
        """Return those of them that differ from event to event: what is left, and when to come back."""
        fields = [(b"ratelimit", f'"{name}";r={self.remaining};t={math.ceil(self.reset_after_s)}'.encode())]
        if not self.allowed and self.retry_after_s is not None:
            fields.append((b"retry-after", b"%d" % max(1, math.ceil(self.retry_after_s))))
        return fields


@dataclass(frozen=True, slots=True)
class LimitStatistics:
    """Events let through and refused since the limit was made, and those among them that this process counted alone."""

    allowed: int
    refused: int
    alone: int = 0
