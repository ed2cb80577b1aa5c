"""Ending a task whose time is over, as `asyncio.timeout` does, for less: who has equally long shares one timer."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Self


class Timer:
    """Cancels the task it is entered in, once `end` is called, and takes that cancellation back; any other goes on.

    What follows the block is reached only where it was ended so, or came to its end by itself.
    """

    __slots__ = ("_cancelling", "_task", "handle", "is_over", "line")

    def __init__(self, task: asyncio.Task[object]) -> None:
        self._task = task
        self._cancelling = task.cancelling()
        self.is_over = False
        self.line: Line | None = None
        self.handle: asyncio.TimerHandle | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        self.let_go()
        if not self.is_over:
            return False
        is_ours = self._task.uncancel() <= self._cancelling
        return is_ours and kind is not None and issubclass(kind, (asyncio.CancelledError, TimeoutError))

    def end(self) -> None:
        """Its time is over."""
        self.is_over = True
        self._task.cancel()

    def let_go(self) -> None:
        """Let it go on for as long as it likes."""
        if self.line is not None:
            self.line.leave(self)
            self.line = None
        elif self.handle is not None:
            self.handle.cancel()


class Line:
    """Those in one event loop who have equally long: who came first is over first, so that one timer of the loop does for all."""

    def __init__(self, loop: asyncio.AbstractEventLoop, after_s: float) -> None:
        self.loop = loop
        self._after_s = after_s
        self._due: dict[Timer, float] = {}
        self._looks = False

    def join(self, timer: Timer) -> None:
        """End *timer* after the line's time, unless it leaves."""
        timer.line = self
        due = self._due[timer] = self.loop.time() + self._after_s
        if not self._looks:
            self._looks = True
            self.loop.call_at(due, self._look, due)

    def leave(self, timer: Timer) -> None:
        """Forget it."""
        self._due.pop(timer, None)

    def _look(self, due: float) -> None:
        # A loop may call a little early: its word counts.
        now = max(due, self.loop.time())
        over = []
        for timer, its_due in self._due.items():
            if its_due > now:
                break
            over.append(timer)
        for timer in over:
            del self._due[timer]
            timer.end()
        first = next(iter(self._due.values()), None)
        self._looks = first is not None
        if first is not None:
            self.loop.call_at(first, self._look, first)
