"""What is asked of the database, what may be wrong with it, and how long each may take: the same for both ways of asking."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from scaleworthy.runtime import database as runtime
from scaleworthy.runtime.database.pool import first_line as first_line
from scaleworthy.runtime.database.tenancy import Params
from scaleworthy.runtime.database.tenancy import Row as Row

TENANT_SETTING = "app.current_tenant"
SET_TENANT = f"select set_config('{TENANT_SETTING}', %(tenant)s, true)"
# How long a request waits for a connection, and how many may wait: beyond that an answer would come too late for anyone.
WAIT_S = 5.0
WAITING_MAX = 500
STATEMENT_MAX_MS = 15_000
# A database that went away is tried again after at most this long, then with each request that needs it.
RECONNECT_S = 2.0


@dataclass(frozen=True, slots=True)
class Statement(runtime.Statement):
    """SQL with named places, and what goes into them."""

    values: Params = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why the database does not serve: it is gone, or busy with what it has."""

    state: Literal["gone", "busy"]
    reason: str
