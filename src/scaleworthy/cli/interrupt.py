"""Ctrl-C: once ends a run with its results kept, twice cuts it, and there is a summary either way."""

from __future__ import annotations

import contextlib
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from types import FrameType
from typing import NoReturn

INTERRUPTED = 130
"""The exit status of a command that was stopped and had no verdict to give; the shells' own for SIGINT."""


@contextlib.contextmanager
def terminable() -> Iterator[None]:
    """Let SIGTERM within the block end it as Ctrl-C does: what is open is closed, what was started is stopped."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def abandon() -> NoReturn:
    """End the command as Ctrl-C does where nothing handles it."""
    raise KeyboardInterrupt


@contextlib.contextmanager
def interrupts(
    *, stop: Callable[[], None], abort: Callable[[], None], waiting_for: str = "requests under way"
) -> Iterator[None]:
    """Call *stop* at the first SIGINT or SIGTERM within the block, *abort* at each later one."""
    seen = 0

    def handle(_number: int, _frame: FrameType | None) -> None:
        nonlocal seen
        seen += 1
        if seen == 1:
            print(f"\nstopping: waiting for {waiting_for} (once more to cut that)", file=sys.stderr)
            stop()
        else:
            print("\ncutting what is under way", file=sys.stderr)
            abort()

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
