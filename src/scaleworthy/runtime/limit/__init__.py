"""Limits: so many events a period and so many at once for each key, in one process or for a fleet.

limit = Limit("100/m", burst=20)
verdict = limit.check("tenant:5")
if not verdict.allowed: ...  # verdict.retry_after_s, verdict.headers()
"""

from scaleworthy.runtime.limit.fleet import FleetLimit
from scaleworthy.runtime.limit.local import Limit
from scaleworthy.runtime.limit.verdict import LimitStatistics, Quota, Verdict

__all__ = ["FleetLimit", "Limit", "LimitStatistics", "Quota", "Verdict"]
