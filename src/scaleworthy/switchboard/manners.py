"""What is done with every request and answer, by the shape's configuration.

Both shapes count requests, refuse bodies that are too large, and send their clients elsewhere before a process ends. The rest is the
shape's. The order is fixed: what refuses comes before what works, and what changes an answer goes from its content to its bytes.
"""

from __future__ import annotations

from collections.abc import Callable

import orjson

from scaleworthy.runtime import http
from scaleworthy.runtime.limit import Limit
from scaleworthy.series.meter import Meter
from scaleworthy.switchboard.settings import Settings
from scaleworthy.switchboard.shape import Manner, Shape
from scaleworthy.switchboard.tenancy import HEADER

BODY_BYTES_MAX = 1024 * 1024
# Each a little more than the route itself takes: that one knows better what to say.
BODY_BYTES = {"/files": 9 * 1024 * 1024, "/leads/bulk": 17 * 1024 * 1024}
# Answers within this are quick enough: nobody is refused for being able to be quicker.
_ENOUGH_NS = 100_000_000
_AT_WORK_LEAST, _AT_WORK_FIRST = 16, 200
_SPARE = ("/health", "/api/health", "/metrics", "/api/metrics")
_WORDS = {
    413: "too_large",
    429: "too_many_requests",
    400: "unreadable_deadline",
    503: "too_busy",
    504: "deadline_passed",
}


def manners_of(shape: Shape, settings: Settings, meter: Meter, draining: http.Draining) -> list[http.Manner]:
    """Return what the shape does, the outermost first."""
    tenant_rate = settings.tenant_rate or shape.tenant_rate
    prefixed = {f"{prefix}{path}": most for prefix in ("", "/api") for path, most in BODY_BYTES.items()}
    made: list[http.Manner] = [
        draining,
        http.Metrics(meter, path=None),
        http.BodyLimit(BODY_BYTES_MAX, prefixes=prefixed),
    ]
    if tenant_rate is not None:
        limit = Limit(tenant_rate, name="tenant", meter=meter)
        made.append(http.RateLimit(limit, by=http.by_header(HEADER), name="tenant", spare=_SPARE))
    adaptive = http.AdaptiveLimit(initial=_AT_WORK_FIRST, least=_AT_WORK_LEAST, enough_ns=_ENOUGH_NS)
    makers: dict[Manner, Callable[[], http.Manner]] = {
        "slow log": http.SlowLog,
        "shed": lambda: http.Shedding(adaptive, spare=_SPARE, meter=meter),
        "deadline": http.Deadline,
        "coalesce": lambda: http.Coalescing(tenant=HEADER, meter=meter),
        "compress": http.Compression,
        "etag": http.ETag,
        # The description names the fields that must not be shown elsewhere.
        "redact": lambda: http.Redaction(pass_paths=["/openapi.json"]),
        "cache-control": http.CacheControl,
    }
    return [*made, *(makers[name]() for name in makers if name in shape.manners)]


def refused(problem: http.Problem) -> bytes:
    """Return what a manner refuses in the form in which this service refuses (refusal.py)."""
    error = _WORDS.get(problem.status, "internal")
    if problem.title == "Going away":
        error = "going_away"
    return orjson.dumps({"error": error, "message": problem.detail})
