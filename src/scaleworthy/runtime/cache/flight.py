"""One computation per key in a process, however many ask for it at once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any


class Flights:
    """What is being computed. Who asks for a key that is, waits for that; who stops waiting does not stop it for the others."""

    def __init__(self) -> None:
        self._tasks: dict[str, asyncio.Task[Any]] = {}

    def __len__(self) -> int:
        return len(self._tasks)

    def is_under_way(self, key: str) -> bool:
        """Return whether *key* is being computed."""
        return key in self._tasks

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
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _end(self, key: str, task: asyncio.Task[Any]) -> None:
        del self._tasks[key]
        if not task.cancelled():
            # A refresh that nobody waits for may fail: it is counted by who computed it, and is no lost error.
            task.exception()
