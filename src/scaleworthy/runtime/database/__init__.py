"""Database: a writer and its replicas as one, tenants by row-level security, pools of a size that is reasoned."""

from scaleworthy.runtime.database.database import CURRENT, Database, DatabaseStatistics
from scaleworthy.runtime.database.sizing import PoolSizes, connections_needed, sizes_for
from scaleworthy.runtime.database.tenancy import Statement

__all__ = [
    "CURRENT",
    "Database",
    "DatabaseStatistics",
    "PoolSizes",
    "Statement",
    "connections_needed",
    "sizes_for",
]
