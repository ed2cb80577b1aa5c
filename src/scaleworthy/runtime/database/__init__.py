"""Database: a writer and its replicas as one, tenants by row-level security, pools of a size that is reasoned."""

from scaleworthy.errors import MissingExtra

try:
    import psycopg_pool  # noqa: F401 - before what is below needs it, so that the error says what to install
except ImportError as error:
    raise MissingExtra("runtime", needed_for="the database part") from error

from scaleworthy.runtime.database.database import CURRENT, Database
from scaleworthy.runtime.database.pool import ConnectionLost, PoolExhausted, PoolStatistics
from scaleworthy.runtime.database.sizing import (
    PoolSizes,
    connections_needed,
    mean_wait_s,
    sizes_for,
    waiting_share,
)
from scaleworthy.runtime.database.statistics import DatabaseStatistics
from scaleworthy.runtime.database.tenancy import Statement
from scaleworthy.runtime.database.token import ReadYourWrites, SharedSessions

__all__ = [
    "CURRENT",
    "ConnectionLost",
    "Database",
    "DatabaseStatistics",
    "PoolExhausted",
    "PoolSizes",
    "PoolStatistics",
    "ReadYourWrites",
    "SharedSessions",
    "Statement",
    "connections_needed",
    "mean_wait_s",
    "sizes_for",
    "waiting_share",
]
