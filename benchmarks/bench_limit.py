"""What does it cost to ask whether one more event may pass, and to call through a breaker?

Local: 100,000 checks of one key that pass, ours and the peers' in turns, the median of the runs; `allows` answers yes or no, `check`
also what to tell the client. aiolimiter knows no keys: one limiter stands for one key. Fleet: checks one after another against one
Valkey on this machine, through each library's own script. Breakers: a closed one around an async call that does nothing.
Fair to whom: the peers are asked as their pages show; throttled-py and limits by the algorithm nearest to ours (GCRA, moving window).
"""

from __future__ import annotations

import asyncio
import sys
from functools import partial

from redis.asyncio import Redis

from rows import Row, arguments, row, show
from scaleworthy.runtime.breaker import Breaker
from scaleworthy.runtime.limit import FleetLimit, Limit
from scaleworthy.servers import Valkey
from timing import awaits_us, calls_us

RATE = "1000000000/s"
KEY = "tenant:5"


def local(calls: int, repeats: int) -> list[Row]:
    """Return the rows of checks in the process that need no loop."""
    from limits import parse
    from limits.storage import MemoryStorage
    from limits.strategies import FixedWindowRateLimiter
    from throttled import RateLimiterType, Throttled, rate_limiter

    limit = Limit(RATE, burst=10**9)
    fixed, item = FixedWindowRateLimiter(MemoryStorage()), parse("1000000000/second")
    throttled = Throttled(
        key=KEY, using=RateLimiterType.GCRA.value, quota=rate_limiter.per_sec(10**8, burst=10**8), timeout=-1
    )
    said = calls_us(
        {
            "allows": partial(limit.allows, KEY),
            "check": partial(limit.check, KEY),
            "limits": partial(fixed.hit, item, KEY),
            "throttled": partial(throttled.limit, KEY),
        },
        calls=calls,
        repeats=repeats,
    )
    note = "the goal is 0.1"
    return [
        row("local: allows", "µs", said["allows"], peer=said["limits"], most=0.5, note=f"peer limits; {note}"),
        row("local: check, with what to tell the client", "µs", said["check"], peer=said["limits"], most=0.5),
        row("local: check, beside GCRA of throttled-py", "µs", said["check"], peer=said["throttled"]),
    ]


async def local_async(calls: int, repeats: int) -> Row:
    """Return the row beside aiolimiter."""
    from aiolimiter import AsyncLimiter

    limit, other = Limit(RATE, burst=10**9), AsyncLimiter(10**9, 1)

    async def ours() -> bool:
        return limit.allows(KEY)

    said = await awaits_us({"ours": ours, "aiolimiter": other.acquire}, calls=calls, repeats=repeats)
    return row("local: allows in a coroutine, beside aiolimiter", "µs", said["ours"], peer=said["aiolimiter"], most=0.5)


async def fleet(calls: int, repeats: int) -> list[Row]:
    """Return the rows of checks in Valkey."""
    from limits import parse
    from limits.aio.storage import RedisStorage
    from limits.aio.strategies import SlidingWindowCounterRateLimiter
    from throttled.asyncio import RateLimiterType, Throttled, rate_limiter, store

    with Valkey.start() as server:
        async with Redis.from_url(server.url) as client:
            limit = FleetLimit(client, "1000000/s", burst=10**6, budget_s=1.0)
            storage = RedisStorage(f"async+{server.url}", implementation="redispy")
            window, item = SlidingWindowCounterRateLimiter(storage), parse("100000000/second")
            throttled = Throttled(
                key=KEY,
                using=RateLimiterType.GCRA.value,
                quota=rate_limiter.per_sec(10**6, burst=10**6),
                store=store.RedisStore(server=server.url),
                timeout=-1,
            )
            said = await awaits_us(
                {
                    "ours": partial(limit.check, KEY),
                    "limits": partial(window.hit, item, KEY),
                    "throttled": partial(throttled.limit, KEY),
                },
                calls=calls,
                repeats=repeats,
            )
            assert limit.trouble() is None, limit.trouble()
    return [
        row("fleet: check in Valkey, beside limits", "µs", said["ours"], peer=said["limits"]),
        row("fleet: check in Valkey, beside throttled-py", "µs", said["ours"], peer=said["throttled"]),
    ]


async def breakers(calls: int, repeats: int) -> list[Row]:
    """Return the rows of calls through a closed breaker."""
    import circuitbreaker
    import pybreaker

    async def nothing() -> None:
        return None

    ours = Breaker("it")(nothing)
    circuit = circuitbreaker.circuit(nothing)
    said = await awaits_us({"bare": nothing, "ours": ours, "circuitbreaker": circuit}, calls=calls, repeats=repeats)
    plain, py = Breaker("it"), pybreaker.CircuitBreaker()

    def within() -> None:
        with plain.call():
            pass

    sync = calls_us({"ours": within, "pybreaker": partial(py.call, int)}, calls=calls, repeats=repeats)
    note = f"the call itself {said['bare']:.2f}; ours counts a window and slow calls"
    return [
        row(
            "breaker around an async call, beside circuitbreaker",
            "µs",
            said["ours"],
            peer=said["circuitbreaker"],
            note=note,
        ),
        row("breaker around a call, beside pybreaker", "µs", sync["ours"], peer=sync["pybreaker"]),
    ]


def main() -> int:
    """Measure, print, and say whether the bars were held."""
    options = arguments(__doc__).parse_args()
    calls, repeats = (10_000, 3) if options.quick else (100_000, 9)
    rows = local(calls, repeats)
    rows.append(asyncio.run(local_async(calls, repeats)))
    rows += asyncio.run(fleet(calls // 50, repeats))
    rows += asyncio.run(breakers(calls // 2, repeats))
    return show("limit", rows, options)


if __name__ == "__main__":
    sys.exit(main())
