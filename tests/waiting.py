"""How tests wait for what servers and other tasks bring about, and nobody tells: one loop, with an end, that says what never came."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")

_LOOK_AGAIN_S = 0.002
_MOST_S = 20.0


async def until(holds: Callable[[], T | Awaitable[T]], what: str) -> T:
    """Return the first truthy value of *holds*.

    Raises:
        AssertionError: None came within 20 s; it names *what* was waited for.
    """
    try:
        async with asyncio.timeout(_MOST_S):
            while True:
                found = holds()
                value = await found if inspect.isawaitable(found) else found
                if value:
                    return value
                await asyncio.sleep(_LOOK_AGAIN_S)
    except TimeoutError:
        raise AssertionError(f"never came within {_MOST_S:g} s: {what}") from None
