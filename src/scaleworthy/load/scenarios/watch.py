"""Notice code that holds the event loop up (`time.sleep`, a slow parse, a blocking driver), and name the line.

A beat every 50 ms says how late the loop comes to it (`load.loop_lag`). A thread looks on: where the loop has missed its beat for
long, it takes the stack of the loop's thread and notes the innermost line that is not the standard library's.
"""

from __future__ import annotations

import asyncio
import sys
import sysconfig
import threading
import time
from collections import Counter
from pathlib import Path
from types import FrameType, TracebackType
from typing import Self

from scaleworthy.load.scenarios.world import World

BEAT_S = 0.05
HELD_UP_S = 0.1
PLACES_MAX = 20
_LIBRARY = (sysconfig.get_path("stdlib"), str(Path(__file__).parents[2]), "<frozen")


class Watch:
    """Looks on while its `with` block runs."""

    def __init__(self, loop: asyncio.AbstractEventLoop, world: World) -> None:
        self._loop = loop
        self._world = world
        self._thread_id = threading.get_ident()
        self._due_s = 0.0
        self._ended = threading.Event()
        self._timer: asyncio.TimerHandle | None = None
        self._onlooker = threading.Thread(target=self._look_on, name="loop-watch", daemon=True)
        self._held_up_s: Counter[str] = Counter()
        self._worst_s = 0.0

    def __enter__(self) -> Self:
        self._due_s = time.monotonic() + BEAT_S
        self._timer = self._loop.call_later(BEAT_S, self._beat)
        self._onlooker.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        if self._timer is not None:
            self._timer.cancel()
        self._onlooker.join()

    def _beat(self) -> None:
        late_s = max(time.monotonic() - self._due_s, 0.0)
        self._worst_s = max(self._worst_s, late_s)
        self._world.time("load.loop_lag", {}, late_s * 1e9)
        self._due_s = time.monotonic() + BEAT_S
        self._timer = self._loop.call_later(BEAT_S, self._beat)

    def _look_on(self) -> None:
        seen_s = 0.0
        while not self._ended.wait(BEAT_S):
            due_s = self._due_s
            if time.monotonic() - due_s < HELD_UP_S or due_s == seen_s:
                continue
            seen_s = due_s  # one look at each time that the loop is held up
            frame = sys._current_frames().get(self._thread_id)  # noqa: SLF001 - the way that faulthandler names a stack
            place = _place(frame)
            if place is not None and (place in self._held_up_s or len(self._held_up_s) < PLACES_MAX):
                self._held_up_s[place] += 1

    def notes(self) -> list[str]:
        """Return which lines held the loop up, most often first."""
        if not self._held_up_s:
            return []
        places = ", ".join(f"{place} ({count}×)" for place, count in self._held_up_s.most_common(3))
        held_up = (
            f"the event loop was held up, for up to {self._worst_s:.2g} s, by code that does not await: {places};"
            " all users of that process wait meanwhile (in place of time.sleep: await user.think)"
        )
        return [held_up]


def _place(frame: FrameType | None) -> str | None:
    while frame is not None:
        file = frame.f_code.co_filename
        if not any(part in file for part in _LIBRARY if part):
            return f"{file.rpartition('/')[2]}:{frame.f_lineno} in {frame.f_code.co_name}"
        frame = frame.f_back
    return None
