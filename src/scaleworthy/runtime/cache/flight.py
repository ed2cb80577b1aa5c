"""One computation per key in a process, however many ask for it at once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from scaleworthy.runtime.ending import end

_BEHIND_MOST = 1_000


class Flights:
    """What is being computed. Who asks for a key that is, waits for that; who stops waiting does not stop it for the others."""

    def __init__(self) -> None:
        self._tasks: dict[str, asyncio.Task[Any]] = {}

    def __len__(self) -> int:
        return len(self._tasks)

    def task(self, key: str) -> asyncio.Task[Any] | None:
        """Return the computation of *key* that is under way, if there is one."""
        return self._tasks.get(key)

    def begin(self, key: str, compute: Callable[[], Awaitable[Any]]) -> asyncio.Task[Any]:
        """Return the computation of *key*, begun now if there is none."""
        task = self._tasks.get(key)
        if task is None:
            task = asyncio.ensure_future(compute())
            self._tasks[key] = task
            task.add_done_callback(lambda done: self._end(key, done))
        return task

    async def join(self, key: str, compute: Callable[[], Awaitable[Any]]) -> Any:
        """Return the result of the computation of *key*; its error reaches everyone who waits for it."""
        return await asyncio.shield(self.begin(key, compute))

    async def settle(self) -> None:
        """Wait for what is under way."""
        while self._tasks:
            await asyncio.wait(self._tasks.values())

    async def close(self) -> None:
        """Cancel what is under way."""
        await end(*self._tasks.values())

    def _end(self, key: str, task: asyncio.Task[Any]) -> None:
        del self._tasks[key]
        if not task.cancelled():
            # A refresh that nobody waits for may fail: it is counted by who computed it, and is no lost error.
            task.exception()


class Behind:
    """Work that nobody waits for, each piece with an end of its own; at most a thousand pieces at once."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        return len(self._tasks)

    def begin(self, work: Coroutine[Any, Any, None]) -> bool:
        """Begin *work*; return False, and do without, where there is too much under way."""
        if len(self._tasks) >= _BEHIND_MOST:
            work.close()
            return False
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return True

    async def settle(self) -> None:
        """Wait for what is under way."""
        while self._tasks:
            await asyncio.wait(self._tasks)
