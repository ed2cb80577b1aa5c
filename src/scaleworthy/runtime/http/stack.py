"""All manners in one pass over a request and its answer: one wrapper, one look at the headers, one send.

Answers that come whole (one body message) can be changed; those that come in pieces are passed on as they come, with only their
heads changed: what is streamed must not wait.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial

from scaleworthy.runtime.http.manner import Manner
from scaleworthy.runtime.http.message import Answer, App, Message, Receive, Request, Scope, Send


class Stack:
    """An ASGI application: *app* with *manners*, the first outermost.

    WebSockets and lifespan pass untouched.
    """

    def __init__(self, app: App, manners: Sequence[Manner], *, now_ns: Callable[[], int] = time.monotonic_ns) -> None:
        self.app = app
        self._now_ns = now_ns
        self._befores = [manner.before for manner in manners if _does(manner, "before")]
        self._arounds = [manner.around for manner in reversed(manners) if _does(manner, "around")]
        self._afters = [manner.after for manner in reversed(manners) if _does(manner, "after")]
        self._heads = [manner.head for manner in reversed(manners) if _does(manner, "head")]
        self._dones = [manner.done for manner in reversed(manners) if _does(manner, "done")]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection's event, as ASGI says."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request = Request(scope, self._now_ns())
        status: int | None = None
        exchange = _Exchange(self.app, request, receive, send, self._heads)
        try:
            answer = None
            for before in self._befores:
                answer = await before(request)
                if answer is not None:
                    break
            else:
                produce = exchange.run
                for around in self._arounds:
                    produce = partial(around, request, produce)
                answer = await produce()
            if answer is None:
                status = exchange.status
                return
            for after in self._afters:
                answer = after(request, answer)
            status = answer.status
            await answer.send(send)
        finally:
            for done in self._dones:
                done(request, status)


class _Exchange:
    """One asking of the application."""

    __slots__ = ("_app", "_heads", "_receive", "_request", "_send", "_start", "_whole", "status")

    def __init__(
        self,
        app: App,
        request: Request,
        receive: Receive,
        send: Send,
        heads: Sequence[Callable[[Request, Answer], None]],
    ) -> None:
        self._app = app
        self._request = request
        self._receive = receive
        self._send = send
        self._heads = heads
        self._start: Message | None = None
        self._whole: Answer | None = None
        self.status: int | None = None

    async def run(self) -> Answer | None:
        """Ask the application; return its answer if it came whole."""
        await self._app(self._request.scope, self._receive, self._take)
        return self._whole

    async def _take(self, message: Message) -> None:
        kind = message["type"]
        if kind == "http.response.start":
            self._start = message
            self.status = message["status"]
        elif self._start is not None and kind == "http.response.body":
            start, self._start = self._start, None
            headers = list(start.get("headers", ()))
            # The body that a HEAD's answer has no bytes of is not known here: its head goes out as it is.
            if not message.get("more_body", False) and self._request.method != "HEAD":
                self._whole = Answer(start["status"], headers, message.get("body", b""))
                return
            head = Answer(start["status"], headers, b"")
            for change in self._heads:
                change(self._request, head)
            self.status = head.status
            await self._send({**start, "status": head.status, "headers": head.headers})
            await self._send(message)
        else:
            if self._start is not None:
                # A file by its path, for example: an extension that sends the body without us.
                start, self._start = self._start, None
                await self._send(start)
            await self._send(message)


def _does(manner: Manner, what: str) -> bool:
    return getattr(type(manner), what) is not getattr(Manner, what)
