"""Ways: where every origin of a plan is reached. Looked up, permitted and seen to listen before anything is sent.

With a proxy all ways lead to it: the proxy's addresses are held to the same guard, and so is each origin's own name, unless its
host is owned (then the proxy alone needs to know where it is).
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from scaleworthy.errors import TargetError, UsageError
from scaleworthy.load.http import Target
from scaleworthy.load.lookup import Lookup, look_up
from scaleworthy.load.plan import Plan
from scaleworthy.load.target import Resolve, check_reachable, system_resolve


@dataclass(frozen=True, slots=True)
class Ways:
    """What was found.

    Attributes:
        target: Where the target is.
        others: The same for each of the plan's `other_origins`.
        proxy: The same for its proxy.
        names: What is worth looking up again while the run goes on, by the number of the origin that it is the way to.
    """

    target: Lookup
    others: tuple[Lookup, ...]
    proxy: Lookup | None
    names: Mapping[int, Target]

    @property
    def addresses(self) -> tuple[str, ...]:
        """Where connections to the target go: its addresses, or its proxy's."""
        return (self.proxy or self.target).addresses

    def pairs(self, plan: Plan) -> int:
        """Return how many pairs of a source address and an address of the target there are, each with ports of its own."""
        return len(self.addresses) * max(len(plan.http.source_addresses), 1)

    def native(self, plan: Plan, *, live: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Return the engine's form of *plan*, with these ways; *live* as in `Plan.to_native`."""
        return plan.to_native(
            addresses=self.target.addresses,
            lookup_ns=self.target.took_ns,
            others=self.others,
            proxy=self.proxy,
            live=live,
        )


def find_ways(plan: Plan, *, owned: Collection[str] = (), resolve: Resolve = system_resolve) -> Ways:
    """Return the ways to every origin of *plan*, each seen to listen.

    Raises:
        UsageError: An address is not loopback, and its host not among *owned*; or a source address is not this machine's.
        TargetError: A name cannot be resolved, or nothing can be reached there.
    """
    http = plan.http
    origins = [plan.target, *plan.other_origins]
    if http.proxy is None:
        found = [look_up(origin, owned=owned, resolve=resolve, given=http.resolve) for origin in origins]
        _check_sources(plan, [address for lookup in found for address in lookup.addresses])
        for origin, lookup in zip(origins, found, strict=True):
            name = http.tls.server_name if origin is plan.target else None
            check_reachable(origin, lookup.addresses, http, server_name=name)
        names = {at: origin for at, origin in enumerate(origins) if found[at].took_ns is not None}
        return Ways(found[0], tuple(found[1:]), None, names)
    place = http.proxy.target
    proxy = look_up(place, owned=owned, resolve=resolve, given=http.resolve)
    for origin in origins:
        if origin.host not in owned:
            look_up(origin, owned=owned, resolve=resolve, given=http.resolve)
    _check_sources(plan, proxy.addresses)
    try:
        check_reachable(place, proxy.addresses, http)
    except TargetError as error:
        raise TargetError(f"the proxy {error.message}", hint="start it first, or leave http.proxy out") from error
    names = dict.fromkeys(range(len(origins)), place) if proxy.took_ns is not None else {}
    return Ways(proxy, (Lookup(proxy.addresses, None),) * (len(origins) - 1), proxy, names)


def _check_sources(plan: Plan, addresses: Collection[str]) -> None:
    sources = [ipaddress.ip_address(text) for text in plan.http.source_addresses]
    if not sources:
        return
    for source in sources:
        family = socket.AF_INET6 if source.version == 6 else socket.AF_INET
        try:
            with socket.socket(family) as probe:
                probe.bind((str(source), 0))
        except OSError as error:
            raise UsageError(
                f"http.source_addresses: {source} cannot be used: {error.strerror or error}",
                hint="name addresses of this machine: any of 127.0.0.0/8 towards loopback, otherwise those of 'ip address'",
            ) from error
    for address in addresses:
        if ipaddress.ip_address(address).version not in {source.version for source in sources}:
            version = ipaddress.ip_address(address).version
            raise UsageError(
                f"http.source_addresses has no IPv{version} address, and {address} is one",
                hint="add one, or have the target's host lead to other addresses with http.resolve",
            )
