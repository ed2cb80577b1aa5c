"""End tasks, also where a library loses a cancellation."""

from __future__ import annotations

import asyncio
from typing import Any

_AGAIN_S = 0.25


async def end(*tasks: asyncio.Task[Any]) -> None:
    """Cancel *tasks* until all have ended.

    Up to Python 3.11 `asyncio.wait_for`, by which database and cache libraries wait, loses a cancellation that comes in the moment what it
    waits for ends.
    """
    left, cancelled = set(tasks), False
    while left:
        for task in left:
            task.cancel()
        try:
            await asyncio.wait(left, timeout=_AGAIN_S)
        except asyncio.CancelledError:
            # Who waits here is to end too: after those it began.
            cancelled = True
        left = {task for task in left if not task.done()}
    # Whatever they ended with has been looked at.
    await asyncio.gather(*tasks, return_exceptions=True)
    if cancelled:
        raise asyncio.CancelledError
