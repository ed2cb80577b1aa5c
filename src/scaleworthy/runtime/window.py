"""How many of the latest calls failed or were slow: counted in steps, so that a call costs an addition."""

from __future__ import annotations

from collections import deque

# The window moves in so many steps.
_STEPS = 10


class CallWindow:
    """Counts of the calls that ended within the last *window_s*, give or take a step; a clock that goes back begins a new step."""

    __slots__ = ("_begun", "_now", "_steps", "calls", "failed", "slow", "step_s")

    def __init__(self, window_s: float) -> None:
        self.step_s = window_s / _STEPS
        # When each earlier step began, and its counts.
        self._steps: deque[tuple[float, int, int, int]] = deque()
        self.clear()

    def clear(self) -> None:
        """Forget all calls."""
        self.calls = self.failed = self.slow = 0
        self._steps.clear()
        self._begun = float("inf")
        self._now = (0, 0, 0)

    def add(self, now: float, *, failed: bool, slow: bool) -> None:
        """Count a call that ended at *now*."""
        if not 0 <= now - self._begun < self.step_s:
            self._step(now)
        self.calls += 1
        if failed:
            self.failed += 1
        elif slow:
            self.slow += 1

    def _step(self, now: float) -> None:
        calls, failed, slow = self._now
        if self.calls > calls:
            self._steps.append((self._begun, self.calls - calls, self.failed - failed, self.slow - slow))
        while self._steps and (len(self._steps) >= _STEPS or now - self._steps[0][0] >= self.step_s * _STEPS):
            _, calls, failed, slow = self._steps.popleft()
            self.calls -= calls
            self.failed -= failed
            self.slow -= slow
        self._begun = now
        # What was counted before this step.
        self._now = (self.calls, self.failed, self.slow)
