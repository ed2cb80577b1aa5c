"""Circuit breaker: leave alone what fails or has become slow, and try carefully whether it is back.

    breaker = Breaker("crm", slow="2s")
    with breaker.call():
        await client.get(...)

Closed, calls pass and are counted over a sliding window. Where the share of failed calls, or of slow ones, reaches its bound among
enough calls, it opens: calls are refused at once with `BreakerOpen`, which says for how long. Then a few calls may probe (half-open):
if all of them succeed in time it closes, if one does not it opens again, for twice as long.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Literal, ParamSpec, TypeVar

from scaleworthy.errors import InvalidInput, ScaleworthyError
from scaleworthy.runtime.times import time_problems
from scaleworthy.runtime.window import CallWindow
from scaleworthy.series.meter import Meter
from scaleworthy.units import parse_duration_ns

P = ParamSpec("P")
T = TypeVar("T")
State = Literal["closed", "open", "half-open"]

_OPEN_MOST = 32


class BreakerOpen(ScaleworthyError):
    """The call was not made: what it would have asked has failed too often just now."""

    def __init__(self, name: str, retry_after_s: float, reason: str) -> None:
        self.retry_after_s = retry_after_s
        super().__init__(f"{name} is not asked for another {retry_after_s:.3g} s: {reason}")


@dataclass(frozen=True, slots=True)
class BreakerStatistics:
    """State now, and counts since it was made. `refused` calls were not made."""

    state: State
    calls: int
    failed: int
    slow: int
    refused: int
    opened: int


class Breaker:
    """One for each thing that is called.

    Args:
        name: What is called, for messages.
        window: Calls of this long are looked at.
        least_calls: Fewer than these in the window prove nothing.
        failed_share: It opens when so large a share of them failed.
        slow: A call that takes as long is slow; None: none is.
        slow_share: It opens when so large a share is slow.
        open_for: How long it stays open the first time; each further time twice as long, up to 32 times.
        probes: How many calls try at once whether it is back, all of which must succeed.
        meter: What its state and calls are recorded with (`runtime.breaker.…` in docs/reference/series.md).
        counts: Whether an error is a failure of what is called; a client's own mistakes are not. `asyncio.CancelledError` never is.
        now: For tests, s.

    Raises:
        InvalidInput: With every argument that cannot be.
    """

    def __init__(
        self,
        name: str,
        *,
        window: str = "10s",
        least_calls: int = 20,
        failed_share: float = 0.5,
        slow: str | None = None,
        slow_share: float = 0.8,
        open_for: str = "5s",
        probes: int = 3,
        meter: Meter | None = None,
        counts: Callable[[BaseException], bool] = lambda error: isinstance(error, Exception),
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        problems = [
            f"{what}: a share above 0 and at most 1 is wanted, got {value:g}"
            for what, value in (("failed_share", failed_share), ("slow_share", slow_share))
            if not 0 < value <= 1
        ]
        problems += [
            f"{what}: at least 1 is wanted, got {value}"
            for what, value in (("least_calls", least_calls), ("probes", probes))
            if value < 1
        ]
        problems += time_problems(window=window, slow=slow, open_for=open_for)
        if problems:
            raise InvalidInput(f"the breaker {name!r} cannot be", problems)
        self.name = name
        self._window = CallWindow(parse_duration_ns(window) / 1e9)
        self._least_calls = least_calls
        self._failed_share, self._slow_share = failed_share, slow_share
        self._slow_s = None if slow is None else parse_duration_ns(slow) / 1e9
        self._open_first_s = parse_duration_ns(open_for) / 1e9
        self._open_s = self._open_first_s
        self._probes = probes
        self._counts = counts
        self._now = now
        self._state: State = "closed"
        self._open_until = 0.0
        self._probing = self._probes_good = 0
        self._tried_since = 0.0
        self._reason = ""
        # Which of its lives a call belongs to: what began before it opened says nothing about whether it is back.
        self._life = 0
        self._calls = self._failed = self._slow = self._refused = self._opened = 0
        if meter is not None:
            self._record_with(meter)

    @property
    def state(self) -> State:
        """Return what it is now."""
        if self._state == "open" and self._open_left_s(self._now()) <= 0:
            return "half-open"
        return self._state

    def trouble(self) -> str | None:
        """Return why calls are refused; None: they are not."""
        return None if self._state == "closed" else f"{self.name}: {self._reason}"

    def statistics(self) -> BreakerStatistics:
        """Return its state and counts."""
        return BreakerStatistics(self.state, self._calls, self._failed, self._slow, self._refused, self._opened)

    def call(self) -> Call:
        """Return one call, to be entered with `with`; entering raises `BreakerOpen` where it is not to be made."""
        return Call(self)

    def __call__(self, function: Callable[P, Awaitable[T]]) -> Callable[P, Awaitable[T]]:
        """Guard every call of a coroutine function."""

        @functools.wraps(function)
        async def guarded(*args: P.args, **kwargs: P.kwargs) -> T:
            life, began = self.admit()
            try:
                answer = await function(*args, **kwargs)
            except BaseException as error:
                self.end(life, began, error)
                raise
            self.end(life, began, None)
            return answer

        return guarded

    def admit(self) -> tuple[int, float]:
        """Let a call through; return what `end` wants to know of it.

        Raises:
            BreakerOpen: It is not to be made.
        """
        now = self._now()
        if self._state != "closed":
            self._admit_to_probe(now)
        return self._life, now

    def _admit_to_probe(self, now: float) -> None:
        if self._state == "open":
            left_s = self._open_left_s(now)
            if left_s > 0:
                self._refused += 1
                raise BreakerOpen(self.name, left_s, self._reason)
            self._begin_trying(now)
        elif self._probing >= self._probes:
            # Probes that did not come back for as long as it was open are given up, and others try.
            left_s = self._tried_since + self._open_s - now
            if 0 < left_s <= self._open_s:
                self._refused += 1
                raise BreakerOpen(self.name, min(left_s, self._window.step_s), f"{self._reason}; it is being tried")
            self._begin_trying(now)
        self._probing += 1

    def _begin_trying(self, now: float) -> None:
        self._state, self._probing, self._probes_good, self._tried_since = "half-open", 0, 0, now
        self._life += 1

    def end(self, life: int, began: float, error: BaseException | None) -> None:
        """Say how a call ended that was let through."""
        if life != self._life:
            return
        now = self._now()
        failed = error is not None and self._counts(error)
        slow = not failed and self._slow_s is not None and now - began >= self._slow_s
        if error is not None and not isinstance(error, Exception):
            # A call that was cancelled says nothing; its place goes to another.
            self._probing -= self._state == "half-open"
            return
        self._calls += 1
        self._failed += failed
        self._slow += slow
        window = self._window
        window.add(now, failed=failed, slow=slow)
        if self._state == "half-open":
            self._judge_probe(good=not failed and not slow, now=now)
        elif (window.failed or window.slow) and window.calls >= self._least_calls:
            self._judge(now)

    def _record_with(self, meter: Meter) -> None:
        for state in ("closed", "open", "half-open"):
            meter.gauge(
                "runtime.breaker.state",
                "breakers",
                lambda state=state: float(self.state == state),  # type: ignore[misc]
                name=self.name,
                state=state,
            )
        for outcome, read in (
            ("passed", lambda: self._calls - self._failed),
            ("failed", lambda: self._failed),
            ("refused", lambda: self._refused),
        ):
            meter.counter_of("runtime.breaker.calls", "calls", read, name=self.name, outcome=outcome)
        meter.counter_of("runtime.breaker.slow", "calls", lambda: self._slow, name=self.name)

    def _open_left_s(self, now: float) -> float:
        """Return for how much longer it stays open; what is longer than it ever was to be comes from a clock that went back."""
        left_s = self._open_until - now
        return left_s if left_s <= self._open_s else 0.0

    def _judge(self, now: float) -> None:
        window = self._window
        for what, count, bound in (
            ("failed", window.failed, self._failed_share),
            (f"took {self._slow_s or 0:g} s or longer", window.slow, self._slow_share),
        ):
            if count and count >= bound * window.calls:
                self._open(now, f"{count} of {window.calls} calls {what}")
                return

    def _judge_probe(self, *, good: bool, now: float) -> None:
        if not good:
            self._open_s = min(self._open_s * 2, self._open_first_s * _OPEN_MOST)
            self._open(now, "it was tried and is not back")
            return
        self._probes_good += 1
        if self._probes_good >= self._probes:
            self._state, self._open_s, self._reason = "closed", self._open_first_s, ""
            self._window.clear()
            self._life += 1

    def _open(self, now: float, reason: str) -> None:
        self._state, self._open_until, self._reason = "open", now + self._open_s, reason
        self._window.clear()
        self._life += 1
        self._opened += 1


class Call:
    """One call through a breaker."""

    __slots__ = ("_admitted", "_breaker")

    def __init__(self, breaker: Breaker) -> None:
        self._breaker = breaker
        self._admitted = (0, 0.0)

    def __enter__(self) -> None:
        self._admitted = self._breaker.admit()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._breaker.end(*self._admitted, error)
