"""Synchronous code over the event loop: a user's greenlet hands what it waits for to a coroutine, which awaits it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

from greenlet import GreenletExit, getcurrent, greenlet

from scaleworthy.load.scenarios.user import User

DAY_S = 86_400.0


class Over:
    """Said by a greenlet in place of something to wait for: its iteration is over, and what it raised, if anything."""

    __slots__ = ("failure",)

    def __init__(self, failure: Exception | None = None) -> None:
        self.failure = failure


class UserGreenlet(greenlet):  # type: ignore[misc] # greenlet has no types
    """The stack of one user's synchronous code; `asks` is the user of the engine that it asks through."""

    def __init__(self, run: Callable[[], Any], asks: User) -> None:
        super().__init__(run)
        self.asks = asks


async def carry(stack: UserGreenlet, throw: BaseException | None = None) -> None:
    """Let *stack* go on until it says that its iteration is over, or ends; raise what the iteration raised.

    What it waits for is awaited here. Where that is cancelled the run is ending: the stack is told by GreenletExit, and its
    `on_stop` may still send.
    """
    said = stack.switch() if throw is None else stack.throw(throw)
    while not stack.dead:
        if type(said) is Over:
            if said.failure is not None:
                raise said.failure
            return
        try:
            answer = await said
        except asyncio.CancelledError:
            stack.asks.parting = True
            said = stack.throw(GreenletExit())
        except Exception as error:  # noqa: BLE001 - it belongs to the stack that waited
            said = stack.throw(error)
        else:
            said = stack.switch(answer)


def current() -> UserGreenlet | None:
    """Return the user's stack that this code runs on; None outside of any."""
    stack = getcurrent()
    return stack if isinstance(stack, UserGreenlet) else None


def wait_for(awaited: Awaitable[Any] | Over) -> Any:
    """Wait, from a user's synchronous code, and return the result."""
    stack = getcurrent()
    assert stack.parent is not None
    return stack.parent.switch(awaited)


def sleep(seconds: float = 0) -> None:
    """Let this user wait while others go on; outside of a user's code, sleep."""
    stack = current()
    if stack is None:
        time.sleep(seconds)
    else:
        wait_for(stack.asks.rest(round(min(max(seconds, 0.0), DAY_S) * 1e9)))
