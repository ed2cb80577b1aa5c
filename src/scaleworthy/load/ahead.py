"""Take the steps of blocking work one after the other, from code that waits and from code on an event loop.

On a loop a step is a thread's, and the loop goes on. A wait that is cancelled loses nothing: its step goes on, and what it brings is
the next one asked for, from either side.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar

T = TypeVar("T")


class Ahead(Generic[T]):
    """Runs a step again and again, never twice at once.

    The step comes with each call: kept here, it would tie its owner into a cycle, and a run that is forgotten would go on.
    """

    def __init__(self) -> None:
        self._under_way: Future[T] | None = None

    def next(self, step: Callable[[], T]) -> T:
        """Return what the next step brings."""
        if self._under_way is None:
            return step()
        try:
            return self._under_way.result()
        finally:
            self._under_way = None

    async def next_async(self, step: Callable[[], T]) -> T:
        """The same, without holding the event loop up."""
        if self._under_way is None:
            threads = ThreadPoolExecutor(1, thread_name_prefix="scaleworthy-run")
            self._under_way = threads.submit(step)
            threads.shutdown(wait=False)
        under_way = self._under_way
        try:
            # Shielded, and kept until it is done: what it brings is handed out, also when nobody waits for it any more.
            return await asyncio.shield(asyncio.wrap_future(under_way))
        finally:
            if under_way.done():
                self._under_way = None
