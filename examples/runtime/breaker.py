"""A breaker before a service that fails, and tries that stop when it is open.

Run it: python examples/runtime/breaker.py. It prints:

    the service is down
    the service is down
    crm is not asked for another 5 s: 4 of 4 calls failed
    calls made: 4
    five seconds later it is half-open; two calls that go well, and it is closed
"""

from __future__ import annotations

import asyncio
import logging

from scaleworthy.runtime.breaker import Breaker, BreakerOpen
from scaleworthy.runtime.limit import Limit
from scaleworthy.runtime.retry import retry


async def main() -> None:
    """Show it, on a clock of its own so that nobody waits five seconds."""
    # stamina tells of each further try.
    logging.getLogger("stamina").setLevel(logging.ERROR)
    now_s, calls, is_down = 0.0, 0, True
    breaker = Breaker("crm", least_calls=4, open_for="5s", probes=2, slow="2s", now=lambda: now_s)

    # At most two calls each, and no more than ten second calls at once or one a second in the long run.
    @retry(ConnectionError, attempts=2, wait_initial_s=0.01, budget=Limit("1/s", burst=10))
    @breaker
    async def ask() -> str:
        nonlocal calls
        calls += 1
        if is_down:
            raise ConnectionError("the service is down")
        return "fine"

    for _ in range(3):
        try:
            await ask()
        except (ConnectionError, BreakerOpen) as error:
            print(error)
    print(f"calls made: {calls}")

    now_s, is_down = 5.0, False
    state = breaker.state
    await ask()
    await ask()
    print(f"five seconds later it is {state}; two calls that go well, and it is {breaker.state}")


if __name__ == "__main__":
    asyncio.run(main())
