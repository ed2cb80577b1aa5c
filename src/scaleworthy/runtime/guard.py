"""Ask a server that may be gone or slow: never longer than its budget, and for a while not at all after it failed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import TypeVar

T = TypeVar("T")

_PAUSE_LEAST_S, _PAUSE_MOST_S = 0.5, 30.0
_CANCEL_AGAIN_S = 0.005


class Guard:
    """One server's. After a failure it is left alone for half a second, then one asks; each further failure doubles that, up to 30 s."""

    def __init__(self, name: str, *, budget_s: float, now: Callable[[], float] = time.monotonic) -> None:
        self.name = name
        self._budget_s = budget_s
        self._now = now
        self._paused_until = float("-inf")
        self._pause_s = 0.0
        self._reason: str | None = None
        self.failures = 0

    @property
    def trouble(self) -> str | None:
        """Why the server is left alone; None: it is not."""
        return self._reason

    async def ask(self, question: Callable[[], Awaitable[T]], otherwise: T) -> T:
        """Return what *question* answers; *otherwise* where it fails, takes too long, or is not asked."""
        now = self._now()
        # A pause that would last longer than any comes from a clock that went back.
        if 0 < self._paused_until - now <= _PAUSE_MOST_S:
            return otherwise
        return await self._ask(question, otherwise, now)

    async def try_now(self, question: Callable[[], Awaitable[T]], otherwise: T) -> T:
        """Do the same, left alone or not: for who wants to know how the server is."""
        return await self._ask(question, otherwise, self._now())

    async def _ask(self, question: Callable[[], Awaitable[T]], otherwise: T, now: float) -> T:
        pause_s = self._pause_s
        if pause_s:
            # One asks; the others go on without until it has been answered.
            self._paused_until = now + pause_s
        try:
            with _Within(self._budget_s):
                answer = await question()
        except TimeoutError:
            self._failed(f"no answer within {self._budget_s * 1e3:g} ms", pause_s)
            return otherwise
        except Exception as error:  # noqa: BLE001 - whatever its library raises, the request goes on without it
            self._failed(str(error).partition("\n")[0] or type(error).__name__, pause_s)
            return otherwise
        self._pause_s, self._paused_until, self._reason = 0.0, float("-inf"), None
        return answer

    def _failed(self, reason: str, pause_s: float) -> None:
        self.failures += 1
        if pause_s == self._pause_s:
            # What was asked before the pause began, and fails with it, says nothing new.
            self._pause_s = min(max(pause_s * 2, _PAUSE_LEAST_S), _PAUSE_MOST_S)
            self._paused_until = self._now() + self._pause_s
        self._reason = f"{self.name}: {reason}"


class _Within:
    """Raises TimeoutError where what is within takes longer than *most_s*.

    Unlike `asyncio.timeout` it cancels again until it is heeded: up to Python 3.11 `asyncio.wait_for`, by which libraries connect, loses a
    cancellation that comes in the moment it ends, and the budget would be the library's own, of seconds.
    """

    __slots__ = ("_before", "_cancelled", "_loop", "_most_s", "_task", "_timer")

    def __init__(self, most_s: float) -> None:
        self._most_s = most_s

    def __enter__(self) -> None:
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("a server is asked from within a task")
        self._task = task
        self._before = task.cancelling()
        self._cancelled = 0
        self._loop = asyncio.get_running_loop()
        self._timer = self._loop.call_later(self._most_s, self._cancel)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._timer.cancel()
        left = self._before
        for _ in range(self._cancelled):
            left = self._task.uncancel()
        # Where somebody else cancelled the task too, it is theirs.
        if self._cancelled and isinstance(error, asyncio.CancelledError) and left <= self._before:
            raise TimeoutError from error

    def _cancel(self) -> None:
        self._cancelled += 1
        self._task.cancel()
        self._timer = self._loop.call_later(_CANCEL_AGAIN_S, self._cancel)
