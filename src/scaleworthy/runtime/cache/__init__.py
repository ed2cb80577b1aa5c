"""Cache: memory, Valkey and a database table in layers, one computation per key however many ask.

cache = Cache(valkey=ValkeyLayer("redis://localhost"), classes={"lead": Policy(memory="30s", stale="10m")})
lead = await cache.get_or_set("lead:5", load_lead, kind="lead", tags=["leads"])
"""

from scaleworthy.runtime.cache.cache import Cache
from scaleworthy.runtime.cache.codec import BytesCodec, Codec, JsonCodec
from scaleworthy.runtime.cache.policy import Policy
from scaleworthy.runtime.cache.statistics import ClassStatistics
from scaleworthy.runtime.cache.table import TableLayer
from scaleworthy.runtime.cache.valkey import ValkeyLayer

__all__ = ["BytesCodec", "Cache", "ClassStatistics", "Codec", "JsonCodec", "Policy", "TableLayer", "ValkeyLayer"]
