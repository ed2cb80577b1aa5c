"""Layers that are gone, slow or full cost a request their budget and nothing else, and come back by themselves."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import pytest
from psycopg_pool import AsyncConnectionPool
from redis.asyncio import Redis

from runtime.cache.fleet import SECOND, Fleet, Source
from scaleworthy.runtime.cache import BytesCodec, Cache, Policy, TableLayer, ValkeyLayer
from scaleworthy.runtime.cache.flight import Behind
from scaleworthy.runtime.cache.layer import Found, Seen
from scaleworthy.runtime.cache.lower import Lower
from scaleworthy.runtime.cache.policy import Life
from scaleworthy.servers import Valkey
from waiting import until


@pytest.fixture
def own() -> Iterator[Valkey]:
    with Valkey.start(settings={"maxmemory-policy": "noeviction", "maxmemory": "0"}) as started:
        yield started


@contextmanager
def stopped(server: Valkey) -> Iterator[None]:
    """Let *server* hang: it takes connections and answers nothing."""
    os.kill(server.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(server.pid, signal.SIGCONT)


@asynccontextmanager
async def full(server: Valkey) -> AsyncIterator[None]:
    """Let *server* have no room for anything."""
    async with Redis.from_url(server.url) as client:
        await client.config_set("maxmemory", 1)
        yield
        await client.config_set("maxmemory", 0)


async def test_without_its_server_values_are_loaded_and_with_it_they_are_shared_again(own: Valkey) -> None:
    port = own.port
    async with Fleet(url=own.url, prefix="gone:", table=None) as fleet:
        first, second, source = await fleet.cache(), await fleet.cache(), Source()
        assert await first.get_or_set("a", source.load, tags=["t"]) == "value"
        await first.settle()
        own.stop()
        assert [await cache.get_or_set("b", source.load) for cache in (first, second)] == ["value"] * 2
        assert source.asked == 3
        assert not await first.invalidate(tags=["t"])
        assert "valkey: " in (await first.check() or "")
        with Valkey.start(port=port):
            fleet.now_ns += 60 * SECOND
            assert await first.get_or_set("c", source.load) == "value"
            await first.settle()
            assert await second.get_or_set("c", source.load) == "value"
            assert source.asked == 4
            assert [await cache.check() for cache in (first, second)] == [None, None]


async def test_where_changes_are_no_longer_heard_memory_is_emptied_and_says_why(own: Valkey) -> None:
    async with Fleet(url=own.url, prefix="deaf:", table=None) as fleet:
        cache, source = await fleet.cache(stale="1h"), Source()
        await cache.get_or_set("a", source.load)
        await cache.settle()
        own.stop()
        await until(lambda: cache.trouble() is not None, "a reason why changes are not heard")
        assert "changes made by other processes are not heard: " in (cache.trouble() or "")
        assert cache.statistics()["default"].entries == 0
        assert await cache.get_or_set("a", source.of("new")) == "new"


async def test_a_connection_that_is_lost_is_made_again_and_hears_again(own: Valkey) -> None:
    async with Fleet(url=own.url, prefix="again:", table=None) as fleet, Redis.from_url(own.url) as client:
        cache, other, source = await fleet.cache(), await fleet.cache(), Source()
        await cache.get_or_set("a", source.load)
        await cache.settle()
        assert await client.client_kill_filter(_type="pubsub") == 2
        await until(lambda: cache.statistics()["default"].entries == 0, "an empty memory")
        await asyncio.gather(cache.listening(), other.listening())
        assert await cache.get_or_set("a", source.load) == "value"

        heard = asyncio.ensure_future(cache.next_change())

        async def is_heard() -> bool:
            await other.invalidate(keys=["a"])
            return heard.done()

        await until(is_heard, "a change that is heard")
        assert cache.statistics()["default"].entries == 0
        assert cache.trouble() is None


async def test_a_server_that_hangs_is_waited_for_once_by_however_many(own: Valkey) -> None:
    async with (
        Fleet(url=own.url, prefix="slow:", table=None, budget="20ms") as fleet,
        Fleet(url=own.url, prefix="slow:", table=None) as patient,
    ):
        cache, other, source = await fleet.cache(), await patient.cache(), Source()
        with stopped(own):
            keys = [f"k{number}" for number in range(100)]
            assert await asyncio.gather(*(cache.get_or_set(key, source.load) for key in keys)) == ["value"] * 100
            await cache.settle()
            reason = cache.trouble()
            asked = cache._lower[0]._guard.failures
            # It is left alone now: nothing here takes the budget's time once more.
            assert await cache.get_or_set("another", source.load) == "value"
            assert cache._lower[0]._guard.failures == asked
        assert reason == "valkey: no answer within 20 ms"

        async def is_shared_again() -> bool:
            await cache.check()
            await cache.set("after", "value")
            return await other.get("after") == "value"

        assert await until(is_shared_again, "a value that one cache keeps and the other finds")


async def test_a_full_server_is_read_and_told_of_changes_and_keeps_again_when_it_can(own: Valkey) -> None:
    async with Fleet(url=own.url, prefix="full:", table=None) as fleet:
        first, second, source = await fleet.cache(), await fleet.cache(), Source()
        await first.get_or_set("a", source.load, tags=["t"])
        await first.get_or_set("b", source.load, tags=["u"])
        await first.settle()
        async with full(own):
            assert await second.get("a") == "value"
            assert await first.get_or_set("c", source.load) == "value"
            await first.settle()
            assert "valkey keeps nothing new: " in (await first.check() or "")
            heard = second.next_change()
            assert await first.invalidate(tags=["t"])
            await heard
            assert [await second.get(key) for key in "ab"] == [None, "value"]
            asked = source.asked
            source.gate.clear()
            both = [asyncio.create_task(cache.get_or_set("d", source.load)) for cache in (first, second)]
            source.gate.set()
            assert await asyncio.gather(*both) == ["value"] * 2
            assert source.asked == asked + 2
        assert await first.check() is None
        await first.get_or_set("e", source.load)
        await first.settle()
        assert await second.get("e") == "value"


async def test_what_is_missed_while_a_layer_is_cleared_is_cleared_too(valkey: Valkey) -> None:
    now_s, is_gone, cleared, gate = 100.0, True, asyncio.Event(), asyncio.Event()

    class Held(ValkeyLayer):
        async def invalidate(self, **what: Any) -> None:
            if is_gone:
                raise ConnectionError("gone")
            await super().invalidate(**what)
            cleared.set()
            await gate.wait()

    of_one = {"everything": False, "position": None, "origin": ""}
    layer, other = Held(valkey.url, prefix="missed:", budget="5s"), ValkeyLayer(valkey.url, prefix="missed:")
    lower = Lower(layer, now=lambda: now_s)
    assert not await lower.invalidate(["a"], [], **of_one)
    now_s, is_gone = 101.0, False
    asking = asyncio.create_task(lower.get("a"))
    await cleared.wait()
    clock = (await other.get("a")).clock
    assert await other.put("a", b"old", Life(0, 10**12, 10**12), load_ns=0, seen=Seen(clock, None), tags=[], owner="")
    assert not await lower.invalidate(["a"], [], **of_one)
    gate.set()
    await asking
    assert (await lower.get("a")).kept is None
    await layer.close()
    await other.close()


async def test_a_table_that_is_gone_is_done_without(database: str) -> None:
    pool = AsyncConnectionPool[Any](database, open=False)
    async with Cache(table=TableLayer(pool, budget="1s")) as cache:
        source = Source()
        assert await cache.get_or_set("a", source.load) == "value"
        assert "table: the pool" in (cache.trouble() or "")


async def test_the_lease_of_a_process_that_died_ends(valkey: Valkey) -> None:
    dead = ValkeyLayer(valkey.url, prefix="dead:", lease="20ms")
    found = await dead.get_or_lease("a", "dead", newer_than_ns=0)
    assert found.holder == "dead"
    async with Fleet(url=valkey.url, prefix="dead:", table=None) as fleet:
        cache, source = await fleet.cache(), Source()
        assert await cache.get_or_set("a", source.load) == "value"
    await dead.close()


async def test_a_cache_that_is_closed_gives_up_what_it_loads_and_its_leases(sharing: Fleet, valkey: Valkey) -> None:
    cache, source = await sharing.cache(), Source()
    source.gate.clear()
    asking = asyncio.create_task(cache.get_or_set("a", source.load))
    await source.entered.wait()
    async with Redis.from_url(valkey.url) as client:
        assert await client.exists(f"{sharing.prefix}l:a")
        await cache.close()
        assert not await client.exists(f"{sharing.prefix}l:a")
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert len(cache._flights) == 0


async def test_the_lease_of_a_slow_load_is_renewed(valkey: Valkey) -> None:
    async with (
        Fleet(url=valkey.url, prefix="renewed:", table=None, lease="2s") as fleet,
        Redis.from_url(valkey.url) as client,
    ):
        first, second, source = await fleet.cache(), await fleet.cache(), Source()
        source.gate.clear()
        asked = [asyncio.create_task(cache.get_or_set("a", source.load)) for cache in (first, second)]
        await source.entered.wait()
        left_ms = [await client.pttl("renewed:l:a")]

        async def is_renewed() -> bool:
            left_ms.append(await client.pttl("renewed:l:a"))
            return left_ms[-1] > left_ms[-2]

        await until(is_renewed, "a lease with more time left than before")
        assert source.asked == 1
        source.gate.set()
        assert await asyncio.gather(*asked) == ["value"] * 2
        assert source.asked == 1


def seen_holders(caches: list[Cache]) -> Callable[[], set[int]]:
    """Watch whom the caches wait for; what is returned gives those that have seen who loads now."""
    seen: dict[str, set[int]] = {}
    for number, cache in enumerate(caches):
        layer = cache._layers[0]

        async def watched(key: str, owner: str, *, newer_than_ns: int, ask=layer.get_or_lease, number=number) -> Found:
            found = await ask(key, owner, newer_than_ns=newer_than_ns)
            if found.holder not in ("", owner):
                seen.setdefault(found.holder, set()).add(number)
            return found

        layer.get_or_lease = watched
    return lambda: seen[list(seen)[-1]] if seen else set()


async def test_what_cannot_be_kept_is_not_waited_for_one_after_another(sharing: Fleet) -> None:
    caches, asked = [await sharing.cache(load_timeout="1m") for _ in range(6)], 0
    fourth = asyncio.Event()
    waiting_for = seen_holders(caches)

    async def load() -> set[int]:
        nonlocal asked
        asked += 1
        mine = asked
        if mine < 3:
            await until(lambda: len(waiting_for()) == 6 - mine, "all others have seen whom they wait for")
        elif mine == 3:
            # One after another there would be no fourth before the third is done.
            await fourth.wait()
        else:
            fourth.set()
        return {1, 2}

    async with asyncio.timeout(30):
        assert await asyncio.gather(*(cache.get_or_set("a", load) for cache in caches)) == [{1, 2}] * 6
    assert asked == 6


async def test_bytes_of_another_version_are_no_value(sharing: Fleet, valkey: Valkey) -> None:
    cache, source = await sharing.cache(), Source()
    layer = ValkeyLayer(valkey.url, prefix=sharing.prefix)
    async with Cache(valkey=layer, codec=BytesCodec()) as other:
        await other.set("a", b"{")
    assert await cache.get_or_set("a", source.load) == "value"
    assert cache.statistics()["default"].unreadable > 0


async def test_where_the_server_has_pushed_out_what_it_knew_of_a_tag_its_entries_are_void(
    sharing: Fleet, valkey: Valkey
) -> None:
    first, second, source = await sharing.cache(), await sharing.cache(), Source()
    await first.get_or_set("a", source.load, tags=["leads"])
    await first.settle()
    async with Redis.from_url(valkey.url) as client:
        assert await client.delete(f"{sharing.prefix}t:leads") == 1
    assert await second.get("a") is None
    await second.get_or_set("a", source.load, tags=["leads"])
    await second.settle()
    third = await sharing.cache()
    assert await third.get("a") == "value"


async def test_a_clock_that_jumps_shows_nothing_for_too_long() -> None:
    now = [1_000 * SECOND]
    cache = Cache(classes={"default": Policy(memory="10s")}, now_ns=lambda: now[0])
    source = Source()
    await cache.get_or_set("a", source.load)
    now[0] -= 3_600 * SECOND
    assert await cache.get("a") is None
    await cache.get_or_set("a", source.load)
    now[0] += 7_200 * SECOND
    assert await cache.get("a") is None
    assert source.asked == 2


async def test_what_is_done_behind_has_a_bound() -> None:
    behind, gate = Behind(), asyncio.Event()

    async def work() -> None:
        await gate.wait()

    assert [behind.begin(work()) for _ in range(1_001)] == [True] * 1_000 + [False]
    gate.set()
    await behind.settle()
    assert len(behind) == 0
