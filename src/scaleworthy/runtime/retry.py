"""Try again what may succeed the next time: stamina's retry, which knows when not to.

stamina (https://stamina.hynek.me) brings exponential back-off with jitter, a bound on attempts and on time, and instrumentation. This adds
what a fleet needs beside: a breaker that is open ends the tries at once, and a budget keeps tries from multiplying a load that
fails already.
"""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable
from typing import ParamSpec, TypeVar

from scaleworthy.errors import MissingExtra
from scaleworthy.runtime.breaker import BreakerOpen
from scaleworthy.runtime.limit import Limit

P = ParamSpec("P")
T = TypeVar("T")


def retry(
    on: type[Exception] | tuple[type[Exception], ...] | Callable[[Exception], bool],
    *,
    attempts: int = 3,
    timeout_s: float = 10.0,
    wait_initial_s: float = 0.1,
    wait_max_s: float = 5.0,
    budget: Limit | None = None,
) -> Callable[[Callable[P, Awaitable[T]]], Callable[P, Awaitable[T]]]:
    """Call a coroutine function again when it raises *on*.

    Args:
        on: Errors, or what decides on one, after which it is worth trying again. `BreakerOpen` never is.
        attempts: Most calls in all.
        timeout_s: No further one begins after so long.
        wait_initial_s, wait_max_s: Between two calls, doubled each time, with jitter.
        budget: How many second and further calls all users of this function may make; beyond it the error is raised at once.

    Raises:
        MissingExtra: stamina is not installed.
    """
    try:
        import stamina
    except ImportError as error:
        raise MissingExtra("runtime", needed_for="trying again") from error

    def wrap(function: Callable[P, Awaitable[T]]) -> Callable[P, Awaitable[T]]:
        @functools.wraps(function)
        async def tried(*args: P.args, **kwargs: P.kwargs) -> T:
            number = 0

            def again(error: Exception) -> bool:
                if isinstance(error, BreakerOpen):
                    return False
                wanted = isinstance(error, on) if isinstance(on, (type, tuple)) else on(error)
                # The last call's failure is asked about too, and costs nothing.
                return wanted and (budget is None or number >= attempts or budget.allows("retry"))

            context = stamina.retry_context(
                on=again, attempts=attempts, timeout=timeout_s, wait_initial=wait_initial_s, wait_max=wait_max_s
            )
            async for attempt in context:
                number = attempt.num
                with attempt:
                    return await function(*args, **kwargs)
            raise AssertionError("stamina raises what the last attempt raised")

        return tried

    return wrap
