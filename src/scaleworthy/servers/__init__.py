"""Embedded PostgreSQL and Valkey: started for the process that asks, and gone with it. Nothing else starts a server."""

from scaleworthy.servers.binaries import PostgresBinaries, ValkeyBinaries
from scaleworthy.servers.elsewhere import (
    GivenPostgres,
    GivenValkey,
    PostgresAddress,
    ValkeyAddress,
    postgres_at,
    valkey_at,
)
from scaleworthy.servers.patience import Patience
from scaleworthy.servers.postgres import Postgres
from scaleworthy.servers.valkey import Valkey

__all__ = [
    "GivenPostgres",
    "GivenValkey",
    "Patience",
    "Postgres",
    "PostgresAddress",
    "PostgresBinaries",
    "Valkey",
    "ValkeyAddress",
    "ValkeyBinaries",
    "postgres_at",
    "valkey_at",
]
