"""How much data: the sizes by name."""

from __future__ import annotations

from dataclasses import dataclass

from scaleworthy.errors import UsageError


@dataclass(frozen=True, slots=True)
class Size:
    """Rows to make of each table; recordings and payments follow from calls and events."""

    name: str
    tenants: int
    users_per_tenant: int
    campaigns_per_tenant: int
    leads: int
    activities: int
    calls: int
    webhook_events: int


SIZES = {
    size.name: size
    for size in (
        Size("small", 10, 20, 10, 20_000, 100_000, 10_000, 5_000),
        Size("full", 100, 20, 10, 200_000, 1_000_000, 100_000, 50_000),
    )
}


def size_named(name: str) -> Size:
    """Return the size called *name*.

    Raises:
        UsageError: There is none; the message lists those there are.
    """
    if name not in SIZES:
        raise UsageError(f"there is no size {name!r}", hint=f"sizes: {', '.join(SIZES)}")
    return SIZES[name]
