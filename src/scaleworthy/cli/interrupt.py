"""Ctrl-C: once ends a run with its results kept, twice cuts it, and there is a summary either way."""

from __future__ import annotations

import contextlib
import signal
import sys
from collections.abc import Callable, Iterator
from types import FrameType


@contextlib.contextmanager
def interrupts(*, stop: Callable[[], None], abort: Callable[[], None]) -> Iterator[None]:
    """Call *stop* at the first SIGINT or SIGTERM within the block, *abort* at each later one."""
    seen = 0

    def handle(_number: int, _frame: FrameType | None) -> None:
        nonlocal seen
        seen += 1
        if seen == 1:
            print("\nstopping: waiting for requests under way (once more to cut them)", file=sys.stderr)
            stop()
        else:
            print("\ncutting requests under way", file=sys.stderr)
            abort()

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
