"""Two processes' caches over one Valkey: one load for both, tags that drop, a Valkey that goes away.

Run it: python examples/runtime/cache.py. It starts a Valkey of its own, and prints:

    40 asked in two processes, loaded 1 time
    after the change both show: Ann Lee
    without Valkey: Ann Lee, because valkey: …
    leads: … % of … questions answered by a layer
"""

from __future__ import annotations

import asyncio

from scaleworthy.runtime.cache import Cache, Policy, ValkeyLayer
from scaleworthy.servers import Valkey

DATABASE = {5: "Ann"}
LOADED: list[int] = []


async def load() -> dict[str, object]:
    """Stand for a query that takes 20 ms."""
    LOADED.append(5)
    name = DATABASE[5]
    await asyncio.sleep(0.02)
    return {"id": 5, "name": name}


def process(url: str) -> Cache:
    """Return the cache as each process of a service makes it."""
    return Cache(valkey=ValkeyLayer(url), classes={"lead": Policy(memory="30s", valkey="5m", table=None, stale="10m")})


async def main() -> None:
    """Show it."""
    with Valkey.start() as server:
        async with process(server.url) as first, process(server.url) as second:
            await asyncio.gather(first.listening(), second.listening())

            async def lead(cache: Cache) -> dict[str, object]:
                found: dict[str, object] = await cache.get_or_set("lead:5", load, kind="lead", tags=["leads"])
                return found

            await asyncio.gather(*(lead(cache) for cache in (first, second) for _ in range(20)))
            print(f"40 asked in two processes, loaded {len(LOADED)} time")

            DATABASE[5] = "Ann Lee"
            heard = second.next_change()
            await first.invalidate(tags=["leads"])
            await heard
            names = {str((await lead(cache))["name"]) for cache in (first, second)}
            print("after the change both show:", *names)

            server.stop()
            await first.check()
            print(f"without Valkey: {(await lead(first))['name']}, because {first.trouble()}")
            for _ in range(100):
                await lead(first)
            said = first.statistics()["lead"]
            print(f"leads: {said.hit_rate or 0:.0%} of {said.asked} questions answered by a layer".replace("%", " %"))


if __name__ == "__main__":
    asyncio.run(main())
