"""What a model may be asked in a minute: requests and tokens, in the order of asking, within each caller's deadline.

Tokens are taken before the call as estimated, and set right after it as counted.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from scaleworthy.errors import ScaleworthyError
from scaleworthy.runtime.llm.minute import Bucket, Minute, Slot, Window
from scaleworthy.runtime.llm.model import Refill


class OverBudget(ScaleworthyError):
    """The call was not made: the model may not be asked in time."""

    def __init__(self, model: str, reason: str, retry_after_s: float | None) -> None:
        self.retry_after_s = retry_after_s
        self.reason = reason
        super().__init__(f"{model} is not asked: {reason}")


@dataclass(slots=True)
class Turn:
    """A call that may be made; it ends with `settle` or `give_back`, once."""

    budget: Budget
    tokens: float
    slots: tuple[Slot | None, Slot | None] = field(default=(None, None))

    def settle(self, used: float) -> None:
        """It used so many tokens."""
        self.budget.end(self, used=used, asked=True)

    def give_back(self) -> None:
        """It was not made after all."""
        self.budget.end(self, used=0.0, asked=False)


@dataclass(slots=True)
class _Waiting:
    turn: Turn
    may: asyncio.Future[None]


class Budget:
    """One model's.

    Args:
        model: For messages.
        requests_per_minute, tokens_per_minute: None: without limit.
        refill: How a minute is counted.
        at_once: How many calls may be under way; None: without limit.
        waiting_most: How many callers may wait.
        now: For tests, s.
    """

    def __init__(
        self,
        model: str,
        *,
        requests_per_minute: float | None,
        tokens_per_minute: float | None,
        refill: Refill = "window",
        at_once: int | None = None,
        waiting_most: int = 1_000,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        minute: type[Window | Bucket] = Window if refill == "window" else Bucket
        self._model = model
        self._requests: Minute | None = None if requests_per_minute is None else minute(requests_per_minute, now=now)
        self._tokens: Minute | None = None if tokens_per_minute is None else minute(tokens_per_minute, now=now)
        self._at_once_most = at_once
        self._waiting_most = waiting_most
        self._now = now
        self._queue: deque[_Waiting] = deque()
        self._blocked_until = float("-inf")
        self._blocked_s = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self.under_way = 0

    @property
    def waiting(self) -> int:
        """How many callers wait."""
        return len(self._queue)

    @property
    def blocked_s(self) -> float:
        """For how long it is to be left alone yet."""
        # Never longer than was said: the clock may have gone back.
        return min(self._blocked_s, max(0.0, self._blocked_until - self._now()))

    def block(self, for_s: float) -> None:
        """Ask nothing for a while: the provider said so."""
        if for_s > self.blocked_s:
            self._blocked_s, self._blocked_until = for_s, self._now() + for_s

    async def take(self, tokens: float, *, within_s: float) -> Turn:
        """Wait for the turn of a call of about so many *tokens*.

        Raises:
            OverBudget: It would not come within *within_s*, or could never: nothing was taken.
        """
        if self._tokens is not None and tokens > self._tokens.most:
            reason = f"the call needs some {tokens:,.0f} tokens, and a minute has {self._tokens.most:,.0f}"
            raise OverBudget(self._model, reason, None)
        turn = Turn(self, tokens)
        if not self._queue and self._may(tokens):
            self._begin(turn)
            return turn
        if len(self._queue) >= self._waiting_most:
            raise OverBudget(self._model, f"{len(self._queue)} calls wait already", self._wait_s(tokens))
        # Everyone before takes theirs first.
        expected_s = self._wait_s(tokens + sum(one.turn.tokens for one in self._queue), requests=1 + len(self._queue))
        if expected_s > within_s:
            raise OverBudget(
                self._model, f"its limits leave room in {expected_s:.3g} s, and the deadline is sooner", expected_s
            )
        await self._wait(_Waiting(turn, asyncio.get_running_loop().create_future()), within_s)
        return turn

    def end(self, turn: Turn, *, used: float, asked: bool) -> None:
        """End the call that *turn* was for, and let the next begin."""
        self.under_way -= 1
        requests, tokens = turn.slots
        if self._requests is not None and not asked:
            self._requests.adjust(requests, -1.0)
        if self._tokens is not None:
            self._tokens.adjust(tokens, used - turn.tokens)
        self._pass_on()

    async def _wait(self, mine: _Waiting, within_s: float) -> None:
        self._queue.append(mine)
        self._wake_later()
        try:
            async with asyncio.timeout(within_s):
                await mine.may
        except BaseException as error:
            if mine in self._queue:
                self._queue.remove(mine)
                # Who waited behind may be let in by less.
                self._pass_on()
            elif mine.may.done() and not mine.may.cancelled():
                mine.turn.give_back()
            if isinstance(error, TimeoutError):
                raise OverBudget(self._model, "its limits left no room before the deadline", 0.0) from error
            raise

    def _may(self, tokens: float) -> bool:
        return (self._at_once_most is None or self.under_way < self._at_once_most) and self._wait_s(tokens) <= 0

    def _wait_s(self, tokens: float, *, requests: float = 1) -> float:
        waits = [self.blocked_s]
        if self._requests is not None:
            waits.append(self._requests.wait_s(requests))
        if self._tokens is not None:
            waits.append(self._tokens.wait_s(tokens))
        return max(waits)

    def _begin(self, turn: Turn) -> None:
        self.under_way += 1
        turn.slots = (
            None if self._requests is None else self._requests.take(1.0),
            None if self._tokens is None else self._tokens.take(turn.tokens),
        )

    def _pass_on(self) -> None:
        while self._queue and self._may(self._queue[0].turn.tokens):
            first = self._queue.popleft()
            if not first.may.done():
                self._begin(first.turn)
                first.may.set_result(None)
        self._wake_later()

    def _wake_later(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._queue:
            # A millisecond more: a timer that comes a moment early would find nothing.
            wait_s = self._wait_s(self._queue[0].turn.tokens) + 0.001
            # Where a call under way is waited for, its end lets the next one in, not the timer.
            if wait_s > 0.001 or self._at_once_most is None or self.under_way < self._at_once_most:
                self._timer = asyncio.get_running_loop().call_later(wait_s, self._pass_on)
