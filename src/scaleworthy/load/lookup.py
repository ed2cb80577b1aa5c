"""Look a target's name up, and say how long that took: the phase `dns` of a run.

Every answer is held to the same guard (`target.permitted_addresses`). An address in place of a name needs no looking up, so it
has no time either.
"""

from __future__ import annotations

import ipaddress
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass

from scaleworthy.load.http import Target
from scaleworthy.load.target import Resolve, permitted_addresses, system_resolve


@dataclass(frozen=True, slots=True)
class Lookup:
    """What a name led to, and how long the answer took; None where the host is an address."""

    addresses: tuple[str, ...]
    took_ns: int | None


def look_up(
    target: Target,
    *,
    owned: Collection[str] = (),
    resolve: Resolve = system_resolve,
    clock_ns: Callable[[], int] = time.perf_counter_ns,
) -> Lookup:
    """Return the addresses that *target* may be loaded at, and how long finding them took.

    Raises:
        TargetError: The name cannot be resolved.
        UsageError: An address is not loopback, and the host is not among *owned*.
    """
    begun_ns = clock_ns()
    addresses = permitted_addresses(target, owned=owned, resolve=resolve)
    took_ns = clock_ns() - begun_ns
    return Lookup(tuple(addresses), None if is_address(target.host) else took_ns)


def is_address(host: str) -> bool:
    """Return whether *host* is an IP address rather than a name."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
