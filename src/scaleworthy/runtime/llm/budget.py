"""What a model may be asked in a minute: requests and tokens, in the order of asking, within each caller's deadline.

Tokens are taken before the call as estimated, and set right after it as counted. Both are buckets that fill steadily and hold
a minute's worth.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from scaleworthy.errors import ScaleworthyError


class OverBudget(ScaleworthyError):
    """The call was not made: the model may not be asked in time."""

    def __init__(self, model: str, reason: str, retry_after_s: float | None) -> None:
        self.retry_after_s = retry_after_s
        super().__init__(f"{model} is not asked: {reason}")


class Bucket:
    """Holds a minute's worth of *per_minute*, and fills steadily. It may be drawn below nothing by what cost more than estimated."""

    def __init__(self, per_minute: float, *, now: Callable[[], float]) -> None:
        self._per_s = per_minute / 60
        self.most = float(per_minute)
        self._level = self.most
        self._now = now
        self._at = now()

    @property
    def level(self) -> float:
        """What it holds."""
        now = self._now()
        self._level = min(self.most, self._level + max(0.0, now - self._at) * self._per_s)
        self._at = now
        return self._level

    def take(self, amount: float) -> None:
        """Draw *amount*, or give back where it is below 0."""
        self._level = min(self.most, self.level - amount)

    def wait_s(self, amount: float) -> float:
        """Return how long until it holds *amount*."""
        return max(0.0, (amount - self.level) / self._per_s)


@dataclass(slots=True)
class _Waiting:
    tokens: float
    turn: asyncio.Future[None]


class Budget:
    """One model's.

    Args:
        model: For messages.
        requests_per_minute, tokens_per_minute: None: without limit.
        waiting_most: How many callers may wait.
        now, sleep: For tests.
    """

    def __init__(
        self,
        model: str,
        *,
        requests_per_minute: float | None,
        tokens_per_minute: float | None,
        waiting_most: int = 1_000,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._model = model
        self._requests = None if requests_per_minute is None else Bucket(requests_per_minute, now=now)
        self._tokens = None if tokens_per_minute is None else Bucket(tokens_per_minute, now=now)
        self._waiting_most = waiting_most
        self._now = now
        self._queue: deque[_Waiting] = deque()
        self._blocked_until = float("-inf")
        self._timer: asyncio.TimerHandle | None = None

    @property
    def waiting(self) -> int:
        """How many callers wait."""
        return len(self._queue)

    def block(self, for_s: float) -> None:
        """Ask nothing for a while: the provider said so."""
        self._blocked_until = max(self._blocked_until, self._now() + for_s)

    async def take(self, tokens: float, *, within_s: float) -> None:
        """Wait for the turn of a call of about so many *tokens*.

        Raises:
            OverBudget: It would not come within *within_s*, or could never: nothing was taken.
        """
        if self._tokens is not None and tokens > self._tokens.most:
            reason = f"the call needs some {tokens:,.0f} tokens, and a minute has {self._tokens.most:,.0f}"
            raise OverBudget(self._model, reason, None)
        if not self._queue and self._wait_s(tokens) <= 0:
            self._draw(tokens)
            return
        if len(self._queue) >= self._waiting_most:
            raise OverBudget(self._model, f"{len(self._queue)} calls wait already", self._wait_s(tokens))
        # Everyone before takes theirs first.
        expected_s = self._wait_s(tokens + sum(one.tokens for one in self._queue), requests=1 + len(self._queue))
        if expected_s > within_s:
            raise OverBudget(
                self._model, f"its limits leave room in {expected_s:.3g} s, and the deadline is sooner", expected_s
            )
        mine = _Waiting(tokens, asyncio.get_running_loop().create_future())
        self._queue.append(mine)
        self._wake_later()
        try:
            async with asyncio.timeout(within_s):
                await mine.turn
        except BaseException as error:
            if mine in self._queue:
                self._queue.remove(mine)
            elif mine.turn.done() and not mine.turn.cancelled():
                self.give_back(tokens)
            if isinstance(error, TimeoutError):
                raise OverBudget(self._model, "its limits left no room before the deadline", 0.0) from error
            raise

    def settle(self, taken: float, used: float) -> None:
        """Set right what a call took by what it used."""
        if self._tokens is not None:
            self._tokens.take(used - taken)
        self._pass_on()

    def give_back(self, tokens: float) -> None:
        """A call was not made after all."""
        if self._requests is not None:
            self._requests.take(-1)
        self.settle(tokens, 0)

    def _wait_s(self, tokens: float, *, requests: float = 1) -> float:
        waits = [self._blocked_until - self._now()]
        if self._requests is not None:
            waits.append(self._requests.wait_s(requests))
        if self._tokens is not None:
            waits.append(self._tokens.wait_s(tokens))
        return max(0.0, *waits)

    def _draw(self, tokens: float) -> None:
        if self._requests is not None:
            self._requests.take(1)
        if self._tokens is not None:
            self._tokens.take(tokens)

    def _pass_on(self) -> None:
        while self._queue and self._wait_s(self._queue[0].tokens) <= 0:
            first = self._queue.popleft()
            if not first.turn.done():
                self._draw(first.tokens)
                first.turn.set_result(None)
        self._wake_later()

    def _wake_later(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._queue:
            # A millisecond more: a timer that comes a moment early would find nothing.
            wait_s = self._wait_s(self._queue[0].tokens) + 0.001
            self._timer = asyncio.get_running_loop().call_later(wait_s, self._pass_on)
