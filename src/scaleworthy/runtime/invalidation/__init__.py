"""Invalidation: the cache forgets what changes in the database, in every process, within milliseconds.

follower = SlotFollower(dsn, cache, [Rule("leads", keys=["tenant:{tenant_id}:lead:{id}"], tags=["tenant:{tenant_id}:leads"])])
await follower.create()
follower.start()
"""

from scaleworthy.errors import MissingExtra

try:
    import psycopg  # noqa: F401 - before what is below needs it, so that the error says what to install
except ImportError as error:
    raise MissingExtra("runtime", needed_for="following what changes in PostgreSQL") from error

from scaleworthy.runtime.invalidation.follower import SlotFollower
from scaleworthy.runtime.invalidation.notify import NotifyFollower
from scaleworthy.runtime.invalidation.rules import Rule
from scaleworthy.runtime.invalidation.teller import FollowerStatistics, Invalidates

__all__ = ["FollowerStatistics", "Invalidates", "NotifyFollower", "Rule", "SlotFollower"]
