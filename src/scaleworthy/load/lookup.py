"""Look names up: before a run, and again beside it, each answer held to the same guard (`target.permitted_addresses`).

A request never waits for a lookup: the engine has the addresses of the last answer. While the run goes on, a thread asks again
each `http.dns_ttl`. New addresses are used from then on; connections to those that are gone end once they carry nothing. An answer
that may not be used ends all use of the name (error kind `dns`) until a later one may; where no answer comes, the last one stays.
"""

from __future__ import annotations

import threading
import time
import weakref
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from scaleworthy.errors import TargetError, UsageError
from scaleworthy.load.http import Target, is_address
from scaleworthy.load.target import Resolve, permitted, permitted_addresses, system_resolve

_LOOK_UP_S = 1.0
"""How often the thread sees whether the run is over, and whether a name is due."""


@dataclass(frozen=True, slots=True)
class Lookup:
    """What a name led to, and how long the answer took; None where nothing had to be asked."""

    addresses: tuple[str, ...]
    took_ns: int | None


def look_up(
    target: Target,
    *,
    owned: Collection[str] = (),
    resolve: Resolve = system_resolve,
    given: Mapping[str, Sequence[str]] | None = None,
    clock_ns: Callable[[], int] = time.perf_counter_ns,
) -> Lookup:
    """Return the addresses that *target* may be loaded at, and how long finding them took.

    Args:
        given: Addresses by host, or `host:port`, to use in place of asking.

    Raises:
        TargetError: The name cannot be resolved.
        UsageError: An address is not loopback, and the host is not among *owned*.
    """
    fixed = fixed_addresses(target, given or {})
    if fixed is not None:
        return Lookup(tuple(permitted(fixed, target, owned=owned)), None)
    begun_ns = clock_ns()
    addresses = permitted_addresses(target, owned=owned, resolve=resolve)
    return Lookup(tuple(addresses), clock_ns() - begun_ns)


def fixed_addresses(target: Target, given: Mapping[str, Sequence[str]]) -> list[str] | None:
    """Return the addresses of a host that is one, or that *given* names; None for a name that must be asked for."""
    found = given.get(f"{target.host}:{target.port}", given.get(target.host))
    if found is not None:
        return list(found)
    # An address with a zone (`fe80::1%eth0`) is left to the system, which knows its zones.
    return [target.host] if is_address(target.host) and "%" not in target.host else None


class Addressed(Protocol):
    """What a watch needs of a run: `engine.Engine` is one."""

    @property
    def finished(self) -> bool:
        """Whether the run is over."""

    def set_addresses(self, *, origin: int, addresses: Sequence[str], took_ns: int | None) -> None:
        """Use these addresses for the origin of this number from now on."""

    def refuse_addresses(self, *, origin: int, why: str, took_ns: int | None) -> None:
        """Open no more connections to the origin of this number, and say *why*."""

    def note(self, text: str) -> None:
        """Keep what a reader of the run's numbers must know."""


class NameWatch:
    """Asks for the names of a run again, as long as the run is there."""

    def __init__(
        self,
        engine: Addressed,
        names: Mapping[int, Target],
        *,
        ttl_s: float,
        owned: Collection[str] = (),
        resolve: Resolve = system_resolve,
        clock_ns: Callable[[], int] = time.perf_counter_ns,
    ) -> None:
        """Watch *names* (by the number of their origin); `begin` starts the thread.

        Args:
            ttl_s: How long an answer is good, in seconds.
            owned: Hosts beyond loopback that the caller may load.
            resolve: How names become addresses.
            clock_ns: Measures how long an answer takes.
        """
        self._engine = weakref.ref(engine)
        self._over = threading.Event()
        weakref.finalize(engine, self._over.set)
        self._names = dict(names)
        self._ttl_s = ttl_s
        self._owned = owned
        self._resolve = resolve
        self._clock_ns = clock_ns

    def begin(self) -> None:
        """Start asking, in a thread of its own: a name server may keep it waiting for long."""
        if self._names:
            threading.Thread(target=self._watch, name="names", daemon=True).start()

    def _watch(self) -> None:
        due_s = time.monotonic() + self._ttl_s
        while not self._over.wait(min(_LOOK_UP_S, self._ttl_s)):
            engine = self._engine()
            if engine is None or engine.finished:
                return
            if time.monotonic() >= due_s:
                self.look_again()
                due_s = time.monotonic() + self._ttl_s

    def look_again(self) -> None:
        """Ask for each name once, and tell the engine what came back."""
        for origin, name in self._names.items():
            begun_ns = self._clock_ns()
            try:
                addresses = permitted_addresses(name, owned=self._owned, resolve=self._resolve)
            except TargetError as error:
                self._note(f"{error.message}; the addresses of the last answer stayed in use")
            except UsageError as error:
                why = f"the name led elsewhere during the run: {error.message}"
                self._note(f"{why}; requests to it failed as dns")
                if (engine := self._engine()) is not None:
                    engine.refuse_addresses(origin=origin, why=why, took_ns=self._clock_ns() - begun_ns)
            else:
                if (engine := self._engine()) is not None:
                    engine.set_addresses(origin=origin, addresses=addresses, took_ns=self._clock_ns() - begun_ns)

    def _note(self, text: str) -> None:
        engine = self._engine()
        if engine is not None:
            engine.note(text)
