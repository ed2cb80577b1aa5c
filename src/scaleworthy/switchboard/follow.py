"""What is kept follows what changes: which answers a changed row makes wrong, and who reads the log.

Question: how soon does an answer that is kept show what a tenant wrote?
Not here: how changes are followed (runtime.invalidation), what is kept (cache.py).
"""

from __future__ import annotations

import re
from contextlib import suppress
from typing import TYPE_CHECKING

import psycopg
from psycopg.conninfo import conninfo_to_dict

from scaleworthy.runtime.cache import Cache
from scaleworthy.runtime.invalidation import Rule, SlotFollower
from scaleworthy.series.meter import Meter

if TYPE_CHECKING:
    from collections.abc import Sequence

PUBLICATION = "switchboard_cache"
# Of four transactions a second and more; fewer are told at once. So a tenant that writes all the time has its answers computed anew once a
# second, not for each of its writes.
TOGETHER = "1s"
_OF_TENANT = ("calls", "activities", "payments", "campaigns")
# Answers have the tables they are made of as tags, their tenant's own. A lead's activities go with it, in its transaction; of the other
# tables nothing is deleted.
RULES: Sequence[Rule] = [
    Rule("leads", tags=["tenant:{tenant_id}:leads"]),
    *(
        Rule(
            table,
            tags=[f"tenant:{{tenant_id}}:{table}"],
            on=["insert", "update", "truncate"],
            fixed=["tenant_id"],
        )
        for table in _OF_TENANT
    ),
    Rule("tenants", tags=["tenants"]),
]


def slot_of(dsn: str) -> str:
    """Return the slot's name: slots are the server's, so each database of it has its own."""
    name = str(conninfo_to_dict(dsn).get("dbname") or "postgres")
    return f"switchboard_{re.sub('[^a-z0-9_]', '_', name.lower())}"[:63]


def make_follower(dsn: str, cache: Cache, *, meter: Meter | None = None) -> SlotFollower:
    """Return who tells *cache* what changes in the database at *dsn*, which is logged in to as the role that may."""
    return SlotFollower(dsn, cache, RULES, slot=slot_of(dsn), publication=PUBLICATION, together=TOGETHER, meter=meter)


def forget_slot(dsn: str) -> None:
    """Drop the slot, if nobody reads it and the role may: one that is left keeps the server's log for ever."""
    with suppress(psycopg.Error), psycopg.connect(dsn, autocommit=True, connect_timeout=5) as connection:
        connection.execute(
            "select pg_drop_replication_slot(slot_name) from pg_replication_slots"
            " where slot_name = %s and database = current_database() and not active",
            [slot_of(dsn)],
        )
