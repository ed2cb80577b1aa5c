"""Whose request is it? A tenant is named by the `x-tenant-key` header, or by the customer of a payment event."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from scaleworthy.runtime.cache import Cache
from scaleworthy.switchboard.cache import TENANT
from scaleworthy.switchboard.database import Database, Statement

HEADER = "x-tenant-key"
BY_KEY = "select id, name from tenant_by_key(%(key)s)"
BY_CUSTOMER = "select id, name from tenant_by_customer(%(customer)s)"


@dataclass(frozen=True, slots=True)
class Tenant:
    """One customer of the service: it sees its own rows alone."""

    id: UUID
    name: str


class Tenants:
    """Finds tenants; those found by key are remembered where *cache* has a class for them."""

    def __init__(self, database: Database, cache: Cache) -> None:
        self._database = database
        self._cache = cache

    async def by_key(self, key: str) -> Tenant | None:
        """Return the tenant that owns *key*."""

        async def find() -> Tenant | None:
            return await self._find(Statement(BY_KEY, {"key": key}))

        if not self._cache.keeps(TENANT):
            return await find()
        tenant: Tenant | None = await self._cache.get_or_set(f"key:{key}", find, kind=TENANT, tags=["tenants"])
        return tenant

    async def by_customer(self, customer: str) -> Tenant | None:
        """Return the tenant billed as *customer*."""
        return await self._find(Statement(BY_CUSTOMER, {"customer": customer}))

    async def _find(self, statement: Statement) -> Tenant | None:
        rows = await self._database.unscoped(statement)
        return Tenant(rows[0]["id"], rows[0]["name"]) if rows else None
