"""What the service keeps, and where: answers of a tenant in memory and Valkey, tenants by their key in memory."""

from __future__ import annotations

from scaleworthy.runtime.cache import BytesCodec, Cache, Policy, ValkeyLayer
from scaleworthy.series.meter import Meter
from scaleworthy.switchboard.shape import Shape

ANSWER, TENANT = "answer", "tenant"
# More than a busy loop takes to come round: a slow moment of the service is no fault of the cache.
_BUDGET = "250ms"


def make_cache(url: str | None, shape: Shape, *, meter: Meter) -> Cache:
    """Return the cache of a service process; where the shape keeps nothing, it only says whether the server at *url* answers.

    Without a server nothing is kept that other processes could change: tenants by their key, but no answers.
    """
    classes = {}
    if shape.cache_s is not None and url is not None:
        fresh, stale = f"{shape.cache_s}s", f"{shape.cache_stale_s or 0}s"
        classes[ANSWER] = Policy(entries=10_000, memory=fresh, valkey=fresh, table=None, stale=stale)
    if shape.tenant_memory_s is not None:
        # An unknown key is looked up each time: it may be a new tenant's.
        memory = f"{shape.tenant_memory_s}s"
        classes[TENANT] = Policy(entries=10_000, memory=memory, valkey=None, table=None, negative=None)
    layer = None if url is None else ValkeyLayer(url, prefix="switchboard:", budget=_BUDGET)
    return Cache(valkey=layer, classes=classes, codec=BytesCodec(), meter=meter)
