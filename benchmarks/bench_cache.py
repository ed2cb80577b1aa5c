"""What does a cache hit cost, which entries does a cache keep, and how often does a fleet compute what has expired?

Hits: 50,000 awaited calls of one key, ours and the peers' in turns, the median of the runs, through each library's public API; memory, the
decorator, and Valkey alone (a class that is not kept in memory). Kept: 300,000 questions for 100,000 keys by Zipf's law with exponent 0.9,
seeded, in 1,000 entries; the share that was there. Expiries: 8 processes ask for one key, 1,000 times a second each (fewer where the
library cannot), over one Valkey; a value lives 1 s and takes 50 ms to compute. Computations that begin within half a life of each other
belong to one expiry. A request waited if it took 40 ms or longer, and is told from a late loop by a clock that ticks beside.
Fair to whom: theine and cachetools are not asynchronous and are asked so; cashews computes ahead in the background (`early`), as we do
with stale values; aiocache's `cached_stampede` locks.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from functools import partial
from random import Random

from rows import Row, arguments, row, show
from scaleworthy._native import MemoryTable
from scaleworthy.runtime.cache import Cache, Policy, ValkeyLayer
from scaleworthy.servers import Valkey
from timing import awaits_us

PROCESSES, PER_S = 8, 1_000
LIFE_S, LOAD_S = 1.0, 0.05
UNCOUNTED_S = LIFE_S / 2
VALUE = {"id": 5, "name": "a lead", "status": "new"}


async def _load() -> dict[str, object]:
    return dict(VALUE)


async def memory(calls: int, repeats: int) -> list[Row]:
    """Return the rows of hits in memory."""
    import aiocache
    from cashews import Cache as Cashews

    ours, other, third = Cache(), aiocache.SimpleMemoryCache(), Cashews()
    third.setup("mem://")
    await ours.get_or_set("lead:5", _load)
    await other.set("lead:5", VALUE)
    await third.set("lead:5", VALUE, expire="1h")
    said = await awaits_us(
        {
            "get": partial(ours.get, "lead:5"),
            "get_or_set": partial(ours.get_or_set, "lead:5", _load),
            "aiocache": partial(other.get, "lead:5"),
            "cashews": partial(third.get, "lead:5"),
        },
        calls=calls,
        repeats=repeats,
    )

    @ours.cached("lead:{number}")
    async def ours_lead(number: int) -> dict[str, object]:
        return VALUE | {"id": number}

    @aiocache.cached(key_builder=lambda _function, number: f"lead:{number}")
    async def aio_lead(number: int) -> dict[str, object]:
        return VALUE | {"id": number}

    @third(ttl="1h", key="lead:{number}")
    async def cashews_lead(number: int) -> dict[str, object]:
        return VALUE | {"id": number}

    decorated = await awaits_us(
        {"ours": partial(ours_lead, 5), "aiocache": partial(aio_lead, 5), "cashews": partial(cashews_lead, 5)},
        calls=calls // 2,
        repeats=repeats,
    )
    await third.close()
    note = "the goal is 0.3"
    return [
        row("memory hit, get, beside aiocache", "µs", said["get"], peer=said["aiocache"], most=1.5, note=note),
        row("memory hit, get_or_set, beside cashews' get", "µs", said["get_or_set"], peer=said["cashews"], most=1.5),
        row("decorated function, hit, beside aiocache", "µs", decorated["ours"], peer=decorated["aiocache"]),
        row("decorated function, hit, beside cashews", "µs", decorated["ours"], peer=decorated["cashews"]),
    ]


async def in_valkey(calls: int, repeats: int) -> list[Row]:
    """Return the row of hits in Valkey."""
    from aiocache import RedisCache
    from aiocache.serializers import JsonSerializer
    from cashews import Cache as Cashews

    with Valkey.start() as server:
        layer = ValkeyLayer(server.url, budget="1s")
        async with Cache(valkey=layer, classes={"default": Policy(memory=None, table=None)}) as ours:
            other = RedisCache(endpoint="127.0.0.1", port=server.port, serializer=JsonSerializer())
            third = Cashews()
            third.setup(server.url)
            await ours.get_or_set("lead:5", _load)
            await ours.settle()
            await other.set("aio:lead:5", VALUE)
            await third.set("lead:5", VALUE, expire="1h")
            said = await awaits_us(
                {
                    "ours": partial(ours.get, "lead:5"),
                    "aiocache": partial(other.get, "aio:lead:5"),
                    "cashews": partial(third.get, "lead:5"),
                },
                calls=calls,
                repeats=repeats,
            )
            assert ours.trouble() is None, ours.trouble()
            await other.close()
            await third.close()
    note = "ours looks at tags and tells loads from changes in the same step"
    return [
        row("Valkey hit, beside aiocache", "µs", said["ours"], peer=said["aiocache"], note=note),
        row("Valkey hit, beside cashews", "µs", said["ours"], peer=said["cashews"]),
    ]


def kept(questions: int) -> list[Row]:
    """Return the rows of hit ratios."""
    from cachetools import LRUCache
    from theine import Cache as Theine

    rng, entries = Random(1), 1_000
    weights = [1 / rank**0.9 for rank in range(1, 100_001)]
    keys = [f"k{key}" for key in rng.choices(range(100_000), weights=weights, k=questions)]
    table, lru, theine = MemoryTable(entries=entries), LRUCache(entries), Theine(entries)
    hour = 3_600 * 10**9
    hits = {"ours": 0, "lru": 0, "theine": 0}
    for key in keys:
        if table.get(key, None) is None:
            table.put(key, True, due_in_ns=hour, stale_in_ns=hour, gone_in_ns=hour)
        else:
            hits["ours"] += 1
        if lru.get(key) is None:
            lru[key] = True
        else:
            hits["lru"] += 1
        if not theine.get(key)[1]:
            theine.set(key, True)
        else:
            hits["theine"] += 1
    share = {name: count / questions for name, count in hits.items()}
    return [
        row("hit ratio, Zipf 0.9, beside cachetools' LRU", "ratio", share["ours"], peer=share["lru"], better="higher"),
        row("hit ratio, Zipf 0.9, beside theine", "ratio", share["ours"], peer=share["theine"], better="higher"),
    ]


def expiries(seconds: float) -> list[Row]:
    """Return the rows of computations per expiry and of requests that waited."""
    said = {name: _fleet(name, seconds) for name in ("ours", "cashews", "aiocache")}
    rows = []
    for peer in ("cashews", "aiocache"):
        note = f"most {said['ours'][1]}, peer's most {said[peer][1]}; {said['ours'][3]:,.0f} requests/s, peer {said[peer][3]:,.0f}"
        what = f"computations per expiry, {PROCESSES} processes, beside {peer}"
        rows.append(row(what, "computations", said["ours"][0], peer=said[peer][0], most=1.0, note=note))
    for peer in ("cashews", "aiocache"):
        what = f"requests that waited for a computation, beside {peer}"
        rows.append(row(what, "of 10,000", said["ours"][2] * 1e4, peer=said[peer][2] * 1e4, most=0.0))
    return rows


def _fleet(name: str, seconds: float) -> tuple[float | None, int, float, float]:
    """Run the processes; return computations per expiry (mean or None, most), the share of requests that waited, requests a second."""
    with Valkey.start() as server:
        begin_at = time.time() + 2.5
        command = [sys.executable, __file__, "--worker", name, server.url, str(begin_at), str(seconds)]
        # A library that refuses what it is asked says so at length; it shows in the requests that were answered.
        quiet = subprocess.DEVNULL if name != "ours" else None
        workers = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=quiet, text=True) for _ in range(PROCESSES)]
        told = [json.loads(worker.communicate(timeout=seconds + 30)[0]) for worker in workers]
    # The first fill is no expiry: nothing was there to be shown.
    begun = sorted(at for one in told for at in one["computed"])
    groups: list[list[float]] = []
    for at in begun:
        if groups and at - groups[-1][0] < LIFE_S / 2:
            groups[-1].append(at)
        else:
            groups.append([at])
    sizes = [len(group) for group in groups[1:]]
    asked, waited = sum(one["asked"] for one in told), sum(one["waited"] for one in told)
    # On a machine that is too busy a short run may see no expiry at all.
    per_expiry = statistics.mean(sizes) if sizes else None
    return per_expiry, max(sizes, default=0), waited / asked, asked / (seconds - UNCOUNTED_S)


async def _work(name: str, url: str, begin_at: float, seconds: float) -> None:
    """Ask as one process of the fleet; print what became of it."""
    computed: list[float] = []

    async def compute() -> dict[str, object]:
        computed.append(time.time())
        await asyncio.sleep(LOAD_S)
        return dict(VALUE)

    ask, close = await _asker(name, url, compute)
    asked = waited = under_way = 0
    late_s = 0.0
    first_over = begin_at + UNCOUNTED_S

    async def one() -> None:
        nonlocal asked, waited, under_way
        under_way += 1
        began, late = time.perf_counter(), late_s
        try:
            await ask()
        finally:
            under_way -= 1
        if time.time() > first_over:
            asked += 1
            waited += time.perf_counter() - began - (late_s - late) >= 0.8 * LOAD_S

    await asyncio.sleep(max(0.0, begin_at - time.time()))
    tasks: set[asyncio.Task[None]] = set()
    next_at = time.perf_counter()
    while time.time() < begin_at + seconds:
        await asyncio.sleep(max(0.0, next_at - time.perf_counter()))
        late_s += max(0.0, time.perf_counter() - next_at - 0.001)
        for _ in range(5):
            # Where a library is slower than it is asked, what is under way has an end.
            if under_way < 200:
                task = asyncio.create_task(one())
                tasks.add(task)
                task.add_done_callback(tasks.discard)
        next_at = max(next_at + 5 / PER_S, time.perf_counter() - 0.01)
    await asyncio.gather(*tasks, return_exceptions=True)
    await close()
    print(json.dumps({"computed": computed, "asked": asked, "waited": waited}))


async def _asker(
    name: str, url: str, compute: Callable[[], Awaitable[dict[str, object]]]
) -> tuple[Callable[[], Awaitable[object]], Callable[[], Awaitable[object]]]:
    if name == "ours":
        fresh = f"{LIFE_S}s"
        policy = Policy(memory=fresh, valkey=fresh, table=None, stale="10s")
        cache = Cache(valkey=ValkeyLayer(url, budget="2s"), classes={"default": policy})
        await cache.open()
        return lambda: cache.get_or_set("lead:5", compute), cache.close
    if name == "cashews":
        from cashews import Cache as Cashews

        other = Cashews()
        other.setup(url)
        # Shown for as long as ours; computed anew from a life's end on.
        cached = other.early(ttl=LIFE_S * 11, early_ttl=LIFE_S, key="lead:5")(compute)
        return cached, other.close
    import aiocache

    port = int(url.rpartition(":")[2].partition("/")[0])
    server = {"endpoint": "127.0.0.1", "port": port, "pool_max_size": 500}
    locked = aiocache.cached_stampede(lease=2, ttl=LIFE_S, key="lead:5", cache=aiocache.RedisCache, **server)(compute)
    return locked, locked.cache.close


def main() -> int:
    """Measure, print, and say whether the bars were held."""
    if sys.argv[1:2] == ["--worker"]:
        name, url, begin_at, seconds = sys.argv[2:]
        asyncio.run(_work(name, url, float(begin_at), float(seconds)))
        return 0
    options = arguments(__doc__).parse_args()
    calls, repeats, seconds = (5_000, 3, 4.0) if options.quick else (50_000, 9, 8.0)
    rows = asyncio.run(memory(calls, repeats))
    rows += asyncio.run(in_valkey(calls // 50, repeats))
    rows += kept(50_000 if options.quick else 300_000)
    rows += expiries(seconds)
    return show("cache", rows, options)


if __name__ == "__main__":
    sys.exit(main())
