"""Equal requests under way at the same time are answered together: the application is asked once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from scaleworthy.runtime.http.manner import Manner, Produce
from scaleworthy.runtime.http.message import Answer, Request

# What makes two requests of one path differ in what they are answered; the tenant's own header is given by the application.
_HEADERS = (b"accept", b"accept-language", b"authorization", b"cookie", b"range")


class Coalescing(Manner):
    """Joins equal GETs of one tenant.

    Equal are method, host, path and query, the *tenant* header, and the headers that answers depend on (accept, accept-language,
    authorization, cookie, range and *also*). An answer that comes in pieces cannot be shared: who waits for it asks by itself.
    A request whose client went away is still answered for those who joined it.
    """

    def __init__(self, *, tenant: str = "x-tenant-key", also: tuple[str, ...] = ()) -> None:
        self._names = (b"host", tenant.lower().encode(), *_HEADERS, *(name.lower().encode() for name in also))
        self._under_way: dict[tuple[object, ...], asyncio.Task[Answer | None]] = {}
        self.joined = 0

    async def around(self, request: Request, produce: Produce) -> Answer | None:
        """Ask, or wait for who asks already."""
        if request.method != "GET":
            return await produce()
        header = request.header
        key = (request.path, request.scope.get("query_string", b""), *(header(name) for name in self._names))
        task = self._under_way.get(key)
        if task is None:
            task = asyncio.ensure_future(_as_coroutine(produce))
            self._under_way[key] = task
            task.add_done_callback(self._forget(key))
            answer = await asyncio.shield(task)
            # Those who joined copy it; the first may change its own.
            return answer if answer is None else answer.copy()
        self.joined += 1
        answer = await asyncio.shield(task)
        return await produce() if answer is None else answer.copy()

    def _forget(self, key: tuple[object, ...]) -> Callable[[asyncio.Task[Answer | None]], None]:
        def forget(task: asyncio.Task[Answer | None]) -> None:
            del self._under_way[key]
            if not task.cancelled():
                # Raised to everyone who waits; nobody may.
                task.exception()

        return forget


async def _as_coroutine(produce: Produce) -> Answer | None:
    return await produce()
