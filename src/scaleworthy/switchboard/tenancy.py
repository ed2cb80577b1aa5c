"""Whose request is it? A tenant is named by the `x-tenant-key` header, or by the customer of a payment event."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

from scaleworthy.switchboard.database import Database, Statement

HEADER = "x-tenant-key"
BY_KEY = "select id, name from tenant_by_key(%(key)s)"
BY_CUSTOMER = "select id, name from tenant_by_customer(%(customer)s)"
_REMEMBERED_MAX = 10_000


@dataclass(frozen=True, slots=True)
class Tenant:
    """One customer of the service: it sees its own rows alone."""

    id: UUID
    name: str


class Tenants:
    """Finds tenants; remembers those found by key for *memory_s* seconds (None: never). Unknown keys are not kept."""

    def __init__(
        self, database: Database, *, memory_s: float | None, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._database = database
        self._memory_s = memory_s
        self._now = now
        self._remembered: dict[str, tuple[float, Tenant]] = {}

    async def by_key(self, key: str) -> Tenant | None:
        """Return the tenant that owns *key*."""
        known = self._remembered.get(key)
        if known is not None and known[0] > self._now():
            return known[1]
        tenant = await self._find(Statement(BY_KEY, {"key": key}))
        if tenant is not None and self._memory_s is not None:
            if len(self._remembered) >= _REMEMBERED_MAX:
                self._remembered.clear()
            self._remembered[key] = (self._now() + self._memory_s, tenant)
        return tenant

    async def by_customer(self, customer: str) -> Tenant | None:
        """Return the tenant billed as *customer*."""
        return await self._find(Statement(BY_CUSTOMER, {"customer": customer}))

    async def _find(self, statement: Statement) -> Tenant | None:
        rows = await self._database.unscoped(statement)
        return Tenant(rows[0]["id"], rows[0]["name"]) if rows else None
