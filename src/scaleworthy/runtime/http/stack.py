"""All manners in one pass over a request and its answer: one wrapper, one look at the headers, one send.

An answer that comes whole (one body message) can be changed, and goes out at once: what the application does after it, background
tasks for example, delays nobody. One that comes in pieces is streamed as it comes, with only its head changed. Two kinds of pieces are
put together first: those of a declared length up to 1 MiB, which a middleware cut up on the way (Starlette's BaseHTTPMiddleware cuts
every answer), and those that a manner must see whole (`Manner.gathers`).
"""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

from scaleworthy.runtime.http.exchange import After, Came, Exchange, Gathers
from scaleworthy.runtime.http.manner import Manner, Produce
from scaleworthy.runtime.http.message import Answer, App, Problem, Receive, Request, Scope, Send

_LOG = logging.getLogger("scaleworthy.http")


@dataclass(frozen=True, slots=True)
class StackStatistics:
    """What a stack has seen: requests answered or not, those the application raised for, and what its manners counted."""

    requests: int
    raised: int
    manners: dict[str, int] = field(default_factory=dict)


class Stack:
    """An ASGI application with manners.

    Args:
        app: The application.
        manners: What is done, the first outermost.
        words: What to say, in JSON, in place of a manner's problem, where an application has a form of its own for refusals.
        now_ns: The clock of all of them.

    WebSockets and lifespan pass untouched.
    """

    def __init__(
        self,
        app: App,
        manners: Sequence[Manner],
        *,
        words: Callable[[Problem], bytes] | None = None,
        now_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self.app = app
        self.words = words
        self.now_ns = now_ns
        self._manners = tuple(manners)
        self._requests = self._raised = 0
        self._befores = [manner.before for manner in manners if _does(manner, "before")]
        self._arounds = [manner.around for manner in reversed(manners) if _does(manner, "around")]
        self.cames: list[Came] = [manner.came for manner in reversed(manners) if _does(manner, "came")]
        self.afters: list[After] = [manner.after for manner in reversed(manners) if _does(manner, "after")]
        self.gathers: list[Gathers] = [manner.gathers for manner in manners if _does(manner, "gathers")]
        self.heads: list[Came] = [manner.head for manner in reversed(manners) if _does(manner, "head")]
        self._dones = [manner.done for manner in reversed(manners) if _does(manner, "done")]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection's event, as ASGI says."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request = Request(scope, receive, self.now_ns())
        exchange = Exchange(self, request, send)
        self._requests += 1
        try:
            for before in self._befores:
                said = before(request)
                answer = said if said is None or isinstance(said, Answer) else await said
                if answer is not None:
                    break
            else:
                answer = await self._ask(request, exchange)
            if answer is not None:
                await exchange.deliver(answer)
        except BaseException:
            self._raised += 1
            raise
        finally:
            if not exchange.is_answered:
                request.took_ns = self.now_ns() - request.began_ns
            for done in self._dones:
                try:
                    done(request, exchange.status)
                except Exception:  # noqa: BLE001 - written down
                    # A route's name, or a log, of the application's own: what the others hold is given back all the same.
                    _LOG.exception("a manner failed at the end of a request")

    def _ask(self, request: Request, exchange: Exchange) -> Awaitable[Answer | None]:
        produce: Produce = exchange.run
        for around in self._arounds:
            produce = partial(around, request, produce)
        return produce()

    def trouble(self) -> str | None:
        """Return why the manners do not serve fully; None: they do."""
        return "; ".join(filter(None, (manner.trouble() for manner in self._manners))) or None

    def statistics(self) -> StackStatistics:
        """Return what was counted since the start."""
        counted: dict[str, int] = {}
        for manner in self._manners:
            for name, number in manner.counted().items():
                counted[name] = counted.get(name, 0) + number
        return StackStatistics(self._requests, self._raised, counted)


def _does(manner: Manner, what: str) -> bool:
    return getattr(type(manner), what) is not getattr(Manner, what)
