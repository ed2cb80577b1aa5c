"""One asking of the application, and the way its answer takes to the client."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol

from scaleworthy.runtime.http.message import Answer, App, Message, Problem, Request, Send

# Pieces of a declared length up to this are put together: they are in memory already, cut up by a middleware on the way.
_GATHERED_BYTES = 1024 * 1024


Came = Callable[[Request, Answer], None]
After = Callable[[Request, Answer], Answer]
Gathers = Callable[[Request, Answer], int]


class Around(Protocol):
    """The part of a stack that an exchange needs."""

    app: App
    words: Callable[[Problem], bytes] | None
    now_ns: Callable[[], int]
    cames: list[Came]
    afters: list[After]
    gathers: list[Gathers]
    heads: list[Came]


class Exchange:
    """Asks, and passes on: an answer that is whole through all manners, one that is streamed piece by piece."""

    __slots__ = ("_is_dropped", "_most", "_must", "_pieces", "_request", "_send", "_size", "_stack", "_start", "status")

    def __init__(self, stack: Around, request: Request, send: Send) -> None:
        self._stack = stack
        self._request = request
        self._send = send
        self._start: Message | None = None
        self._pieces: list[bytes] | None = None
        self._size = self._most = 0
        self._must = self._is_dropped = False
        self.status: int | None = None

    @property
    def is_answered(self) -> bool:
        """Whether an answer has begun to be sent: there can be no other."""
        return self.status is not None

    def run(self) -> Awaitable[None]:
        """Ask the application."""
        request = self._request
        return self._stack.app(request.scope, request.receive, self._take)

    async def deliver(self, answer: Answer) -> None:
        """Send a whole answer as the manners want it."""
        if self.status is not None:
            return
        self._start, self._is_dropped = None, True
        stack, request = self._stack, self._request
        words = stack.words
        if words is not None:
            answer = _worded(answer, words)
        for after in stack.afters:
            answer = after(request, answer)
            if words is not None:
                answer = _worded(answer, words)
        self.status = answer.status
        request.took_ns = stack.now_ns() - request.began_ns
        head, body = answer.messages()
        await self._send(head)
        await self._send(body)

    async def _take(self, message: Message) -> None:
        """Take a message of the application."""
        kind = message["type"]
        if kind == "http.response.start" and self.status is None:
            self._start = message
        elif self._start is None:
            # The rest of a stream; or what follows an answer that was replaced, and is for nobody.
            if not self._is_dropped:
                await self._send(message)
        elif kind == "http.response.body":
            if self._is_whole(self._start, message):
                await self._whole(Answer.of(self._start, message.get("body", b"")))
            else:
                await self._take_piece(self._start, message)
        elif kind == "http.response.pathsend":
            # A file by its path: the server sends the body without us.
            await self._stream(self._start, Answer.of(self._start, b""))
            await self._send(message)
        else:
            await self._send(message)

    def _is_whole(self, start: Message, message: Message) -> bool:
        if message.get("more_body", False) or self._pieces is not None:
            return False
        # The body that a HEAD's answer has no bytes of is not known here.
        return self._request.method != "HEAD" and not start.get("trailers")

    async def _take_piece(self, start: Message, message: Message) -> None:
        body, more = message.get("body", b""), message.get("more_body", False)
        if self._pieces is None:
            head = Answer.of(start, b"")
            if not more or not self._gathers(head):
                await self._stream(start, head)
                await self._send(message)
                return
            self._pieces = []
        self._pieces.append(body)
        self._size += len(body)
        if self._size > self._most:
            await self._overflow(start, more=more)
        elif not more:
            await self._whole(Answer.of(start, b"".join(self._pieces)))

    def _gathers(self, head: Answer) -> bool:
        if self._request.method == "HEAD" or head.status == 206:
            return False
        self._most = max((gathers(self._request, head) for gathers in self._stack.gathers), default=0)
        self._must = self._most > 0
        length = head.header(b"content-length")
        if length is not None and length.isdigit() and int(length) <= _GATHERED_BYTES:
            self._most = max(self._most, int(length))
        return self._most > 0

    async def _overflow(self, start: Message, *, more: bool) -> None:
        """More came than was declared, or than a manner can look at."""
        pieces, self._pieces = self._pieces or [], []
        if self._must:
            detail = f"the application's answer comes in pieces and is longer than the {self._most} bytes that are looked at whole"
            await self.deliver(Problem(500, "Unreadable answer", detail))
            return
        await self._stream(start, Answer.of(start, b""))
        await self._send({"type": "http.response.body", "body": b"".join(pieces), "more_body": more})

    def _whole(self, answer: Answer) -> Awaitable[None]:
        for came in self._stack.cames:
            came(self._request, answer)
        return self.deliver(answer)

    async def _stream(self, start: Message, head: Answer) -> None:
        stack, request = self._stack, self._request
        self._start = None
        for change in stack.heads:
            change(request, head)
        self.status = head.status
        request.took_ns = stack.now_ns() - request.began_ns
        await self._send({**start, "status": head.status, "headers": head.headers})


def _worded(answer: Answer, words: Callable[[Problem], bytes]) -> Answer:
    """Say a problem in the application's words, before another manner compresses it."""
    if not isinstance(answer, Problem):
        return answer
    said = Answer(answer.status, answer.headers, words(answer))
    said.set(b"content-type", b"application/json")
    return said
