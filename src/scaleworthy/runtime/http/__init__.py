"""HTTP manners: what an application does with every request and answer, each alone or all in one pass over any ASGI application.

app = Stack(app, [RateLimit(Limit("100/s"), by=by_header("x-tenant-key")), Compression(), ETag(), Redaction()])
"""

from scaleworthy.runtime.http.adaptive import AdaptiveLimit
from scaleworthy.runtime.http.body import BodyLimit
from scaleworthy.runtime.http.caching import CacheControl
from scaleworthy.runtime.http.coalescing import Coalescing
from scaleworthy.runtime.http.compression import Compression
from scaleworthy.runtime.http.deadline import Deadline
from scaleworthy.runtime.http.draining import Draining
from scaleworthy.runtime.http.etag import ETag
from scaleworthy.runtime.http.limiting import RateLimit, by_address, by_header, by_tenant
from scaleworthy.runtime.http.manner import Manner
from scaleworthy.runtime.http.message import Answer, Problem, Request
from scaleworthy.runtime.http.metrics import Metrics
from scaleworthy.runtime.http.redaction import SENSITIVE, Redaction
from scaleworthy.runtime.http.shedding import Shedding
from scaleworthy.runtime.http.slow import SlowLog
from scaleworthy.runtime.http.stack import Stack, StackStatistics

__all__ = [
    "SENSITIVE",
    "AdaptiveLimit",
    "Answer",
    "BodyLimit",
    "CacheControl",
    "Coalescing",
    "Compression",
    "Deadline",
    "Draining",
    "ETag",
    "Manner",
    "Metrics",
    "Problem",
    "RateLimit",
    "Redaction",
    "Request",
    "Shedding",
    "SlowLog",
    "Stack",
    "StackStatistics",
    "by_address",
    "by_header",
    "by_tenant",
]
