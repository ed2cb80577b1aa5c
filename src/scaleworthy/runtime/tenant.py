"""Whose work is being done: carried in the context, so that keys, limits and row-level security agree on it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

current: ContextVar[str | None] = ContextVar("tenant", default=None)


@contextmanager
def acting_for(tenant: str) -> Iterator[None]:
    """Do what is within as *tenant*; what was before comes back."""
    token = current.set(tenant)
    try:
        yield
    finally:
        current.reset(token)


def tenant_key(key: str, tenant: str | None = None) -> str:
    """Return *key* as the tenant's own, `tenant:{id}:{key}`; without a tenant the key itself."""
    owner = tenant if tenant is not None else current.get()
    return key if owner is None else f"tenant:{owner}:{key}"
