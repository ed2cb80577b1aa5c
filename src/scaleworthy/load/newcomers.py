"""Origins that a run meets while it goes on: a scenario's whole URL, or a redirect, leads to one that the plan does not name.

The engine gives it a number, lets its requests wait, and goes on with all others; here, in each process that has an engine, it is
looked up by the rules of every origin (`target.permitted`), and the answer is written into the engine's address book. After
`http.dns_ttl` it is looked up again. The engine sees to it that there are at most 64 in a run.
"""

from __future__ import annotations

import select
import threading
import time
import weakref
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from scaleworthy.errors import TargetError, UsageError
from scaleworthy.load.http import Target
from scaleworthy.load.lookup import Lookup, fixed_addresses, look_up
from scaleworthy.load.target import Resolve, system_resolve

if TYPE_CHECKING:
    from scaleworthy._native import Met, Run
    from scaleworthy.load.plan import Plan


@dataclass(frozen=True, slots=True)
class Rules:
    """How names become addresses in a run.

    Attributes:
        owned: Hosts beyond loopback that the caller may load.
        given: Addresses by host, or `host:port`, to use in place of asking.
        proxy: Where connections go instead; its URL.
        ttl_s: How long an answer is good, in seconds; None for the whole run.
    """

    owned: Collection[str] = ()
    given: Mapping[str, Sequence[str]] = field(default_factory=dict)
    proxy: str | None = None
    ttl_s: float | None = None

    @classmethod
    def of_plan(cls, plan: Plan, *, owned: Collection[str]) -> Rules:
        """Return the rules of *plan*."""
        http = plan.http
        return cls(
            owned=tuple(owned),
            given=http.resolve,
            proxy=None if http.proxy is None else http.proxy.target.url,
            ttl_s=None if http.dns_ttl_ns is None else http.dns_ttl_ns / 1e9,
        )

    def to_order(self) -> dict[str, Any]:
        """Return them as a worker process is told; `Rules(**order)` reads them back."""
        return asdict(self)

    def asks_for(self, origin: Target) -> bool:
        """Return whether the way to *origin* has a name that may lead elsewhere later."""
        place = origin if self.proxy is None else Target.parse(self.proxy)
        return fixed_addresses(place, self.given) is None

    def find(self, origin: Target, *, resolve: Resolve) -> Lookup:
        """Return where connections to *origin* go: its addresses, or its proxy's.

        Raises:
            TargetError: A name cannot be resolved.
            UsageError: An address is not loopback, and its host not among `owned`.
        """
        if self.proxy is None:
            return look_up(origin, owned=self.owned, resolve=resolve, given=self.given)
        if origin.host not in self.owned:
            look_up(origin, owned=self.owned, resolve=resolve, given=self.given)
        return look_up(Target.parse(self.proxy), owned=self.owned, resolve=resolve, given=self.given)


class Newcomers:
    """Answers for the origins that a run meets, until the run is gone."""

    def __init__(
        self,
        run: Run,
        rules: Rules,
        *,
        resolve: Resolve = system_resolve,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Answer for *run*; `begin` starts the thread.

        Args:
            resolve: How names become addresses.
            clock: Seconds that only go up.
        """
        self._run = weakref.ref(run)
        self._met: Met = run.met()
        self._rules = rules
        self._resolve = resolve
        self._clock = clock
        self._due_s: dict[int, tuple[Target, float]] = {}

    def begin(self) -> None:
        """Start listening, in a thread of its own."""
        fd = self._met.fileno()  # from here on the engine enters origins
        threading.Thread(target=self._listen, args=(fd,), name="newcomers", daemon=True).start()

    def _listen(self, fd: int) -> None:
        poll = select.poll()
        poll.register(fd, select.POLLIN)
        while True:
            due_s = min((due_s for _, due_s in self._due_s.values()), default=None)
            poll.poll(None if due_s is None else max(due_s - self._clock(), 0.0) * 1e3)
            met = self._met.take()
            if met is None:
                return
            now_s = self._clock()
            again = [(number, origin) for number, (origin, due_s) in self._due_s.items() if due_s <= now_s]
            for number, scheme, host, port in met:
                # A name server may keep one waiting for long; the others need not wait for it.
                first = (number, Target(scheme, host, port), True)
                threading.Thread(target=self._answer, args=first, name="newcomer", daemon=True).start()
            for number, origin in again:
                self._answer(number, origin, first=False)
            if self._rules.ttl_s is not None:
                later_s = now_s + self._rules.ttl_s
                new = [(number, Target(scheme, host, port)) for number, scheme, host, port in met]
                named = [(number, origin) for number, origin in new if self._rules.asks_for(origin)]
                self._due_s |= {number: (origin, later_s) for number, origin in [*named, *again]}

    def _answer(self, number: int, origin: Target, first: bool) -> None:
        begun_ns = time.perf_counter_ns()
        try:
            found = self._rules.find(origin, resolve=self._resolve)
        except (TargetError, UsageError) as error:
            if not first and isinstance(error, TargetError):
                return  # no answer: the last one stays
            why = f"{error.message}; {error.hint}" if error.hint else error.message
            if (run := self._run()) is not None:
                run.refuse_addresses(origin=number, why=why, took_ns=time.perf_counter_ns() - begun_ns)
        else:
            if (run := self._run()) is not None:
                run.set_addresses(origin=number, addresses=list(found.addresses), took_ns=found.took_ns)
