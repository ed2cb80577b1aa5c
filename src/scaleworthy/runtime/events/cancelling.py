"""A cancellation that a library swallowed is heeded at the next turn.

Up to Python 3.11 `asyncio.wait_for` returns the result of what has ended in the moment of the cancellation, and the cancellation is lost;
redis-py waits so with each command. A loop that would go on for ever asks here.
"""

from __future__ import annotations

import asyncio


def heed_cancellation() -> None:
    """Raise CancelledError where the task that calls was asked to end and still runs."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError
