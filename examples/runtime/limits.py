"""A limit for each tenant: in the process, and counted together by a fleet over Valkey.

Run it: python examples/runtime/limits.py. It starts a Valkey of its own, and prints:

    in the process: 20 of 30 passed; the next in 0.6 s
    {'ratelimit-policy': '"tenants";q=20;w=12', 'ratelimit': '"tenants";r=0;t=12', 'retry-after': '1'}
    a fleet of three: 20 of 90 passed
    without Valkey each counts its third: 7 passed, because the limit's Valkey: …
"""

from __future__ import annotations

import asyncio

from redis.asyncio import Redis

from scaleworthy.runtime.limit import FleetLimit, Limit
from scaleworthy.servers import Valkey


async def main() -> None:
    """Show it."""
    now_ns = 0
    limit = Limit("100/m", burst=20, now_ns=lambda: now_ns)
    verdicts = [limit.check("tenant:5") for _ in range(30)]
    refused = verdicts[-1]
    print(f"in the process: {sum(v.allowed for v in verdicts)} of 30 passed; the next in {refused.retry_after_s} s")
    print(refused.headers("tenants"))

    with Valkey.start() as server:
        async with Redis.from_url(server.url, retry=None) as client:
            fleet = [FleetLimit(client, "20/h", burst=20, processes=3, budget_s=1.0) for _ in range(3)]
            together = await asyncio.gather(*(process.check("tenant:5") for process in fleet for _ in range(30)))
            print(f"a fleet of three: {sum(verdict.allowed for verdict in together)} of 90 passed")

            server.stop()
            alone = [await fleet[0].check("tenant:5") for _ in range(30)]
            passed = sum(verdict.allowed for verdict in alone)
            print(f"without Valkey each counts its third: {passed} passed, because {fleet[0].trouble()}")


if __name__ == "__main__":
    asyncio.run(main())
