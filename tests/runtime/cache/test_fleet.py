"""What processes that share a Valkey know of each other."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis.asyncio import Redis

from runtime.cache.fleet import SECOND, Fleet, Source
from scaleworthy.runtime.cache import TableLayer
from scaleworthy.runtime.cache.layer import Found
from scaleworthy.servers import Valkey


async def test_one_process_of_the_fleet_loads_and_the_others_get_its_value(sharing: Fleet) -> None:
    caches = [await sharing.cache() for _ in range(4)]
    source = Source()
    source.gate.clear()
    asked = [asyncio.create_task(cache.get_or_set("a", source.load)) for cache in caches for _ in range(10)]
    await source.entered.wait()
    source.gate.set()
    assert await asyncio.gather(*asked) == ["value"] * 40
    assert source.asked == 1


async def test_a_lease_whose_owner_failed_is_free_for_the_next(sharing: Fleet) -> None:
    first, second = await sharing.cache(), await sharing.cache()
    source = Source()
    source.error = RuntimeError("no")
    source.gate.clear()
    failing = asyncio.create_task(first.get_or_set("a", source.load))
    await source.entered.wait()
    source.error = None
    waiting = asyncio.create_task(second.get_or_set("a", source.load))
    source.gate.set()
    assert await waiting == "value"
    assert isinstance((await asyncio.gather(failing, return_exceptions=True))[0], RuntimeError)


async def test_an_invalidation_reaches_the_memory_of_other_processes(sharing: Fleet) -> None:
    first, second, source = await sharing.cache(), await sharing.cache(), Source()
    await first.get_or_set("a", source.load, tags=["leads"])
    await second.get_or_set("a", source.load, tags=["leads"])
    heard = second.next_change()
    await first.invalidate(tags=["leads"])
    await heard
    assert await second.get("a") is None


async def test_what_was_set_last_is_what_all_show_though_an_earlier_set_ends_later(sharing: Fleet) -> None:
    first, second = await sharing.cache(), await sharing.cache()
    looked, gate = asyncio.Event(), asyncio.Event()
    get = first._layers[0].get

    async def held(key: str) -> Found:
        found = await get(key)
        looked.set()
        await gate.wait()
        return found

    first._layers[0].get = held  # type: ignore[method-assign]
    setting = asyncio.create_task(first.set("a", "old"))
    await looked.wait()
    heard = first.next_change()
    await second.set("a", "new")
    await heard
    gate.set()
    await setting
    assert [await cache.get("a") for cache in (first, second)] == ["new", "new"]


async def test_who_waits_for_a_change_no_longer_is_forgotten(sharing: Fleet) -> None:
    cache = await sharing.cache()
    for _ in range(10):
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(cache.next_change(), 0)
    await asyncio.sleep(0)
    assert cache._backplane is not None
    assert len(cache._backplane._waiters) == 0


async def test_closing_that_is_cancelled_says_so(sharing: Fleet) -> None:
    cache = await sharing.cache()
    closing = asyncio.create_task(cache.close())
    await asyncio.sleep(0)
    closing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await closing
    await cache.close()
    assert cache.trouble() is None


async def test_what_the_table_has_is_kept_above_it_again(valkey: Valkey, table: TableLayer) -> None:
    async with Fleet(url=valkey.url, prefix="above:", table=table) as fleet, Redis.from_url(valkey.url) as client:
        first, second, third = [await fleet.cache() for _ in range(3)]
        source = Source()
        await first.get_or_set("a", source.load, tags=["leads"])
        await first.settle()
        assert await client.delete("above:e:a") == 1
        assert await second.get_or_set("a", source.load) == "value"
        await second.settle()
        assert await third.get_or_set("a", source.load) == "value"
        hits = [cache.statistics()["default"].hits for cache in (second, third)]
        assert hits == [{"memory": 0, "valkey": 0, "table": 1}, {"memory": 0, "valkey": 1, "table": 0}]
        assert source.asked == 1
        # With its tags: who asked for it the second time named none.
        await third.invalidate(tags=["leads"])
        assert await third.get("a") is None


async def test_memory_is_filled_from_below_for_no_longer_than_it_is_fresh_there(sharing: Fleet) -> None:
    first = await sharing.cache(valkey="30s", early=0.0)
    second = await sharing.cache(memory="10m", valkey="30s", early=0.0)
    source = Source()
    await first.get_or_set("a", source.load)
    await second.get_or_set("a", source.load)
    sharing.now_ns += 30 * SECOND
    # Memory's clock is the test's: what it kept is over now, though its own time would be ten minutes.
    assert second.statistics()["default"].hits == {"memory": 0, "valkey": 1, "table": 0}
    await second.get("a")
    assert second.statistics()["default"].hits["memory"] == 0


STEPS = st.lists(
    st.tuples(st.sampled_from(["begin", "finish", "change", "ask"]), st.integers(0, 1), st.integers(0, 1)), max_size=14
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(STEPS)
def test_at_any_order_of_loads_and_changes_no_old_value_stays(
    sharing: Fleet, steps: list[tuple[str, int, int]]
) -> None:
    """Two processes, two keys: a value that is shown when nothing is under way is the one the source has."""

    async def act() -> None:
        caches = [await sharing.cache(), await sharing.cache()]
        await caches[0].invalidate(everything=True)
        sources = [Source(0), Source(0)]
        under_way: list[tuple[int, asyncio.Task[object]]] = []
        for what, process, key in steps:
            cache, source = caches[process], sources[key]
            if what == "begin":
                others = any(at == key and not task.done() for at, task in under_way)
                source.gate.clear()
                source.entered.clear()
                task = asyncio.create_task(cache.get_or_set(f"k{key}", source.load, tags=["t"]))
                under_way.append((key, task))
                if not others:
                    # It has read the source now, or found a value; another one's load is waited for.
                    entered = asyncio.create_task(source.entered.wait())
                    await asyncio.wait([task, entered], return_when=asyncio.FIRST_COMPLETED)
                    entered.cancel()
            elif what == "finish":
                source.gate.set()
                await asyncio.gather(*(task for at, task in under_way if at == key))
            elif what == "change":
                source.value += 1
                heard = [other.next_change() for other in caches if other is not cache]
                await cache.invalidate(keys=[f"k{key}"] if process else [], tags=[] if process else ["t"])
                await asyncio.gather(*heard)
            else:
                await cache.get(f"k{key}")
        for source in sources:
            source.gate.set()
        await asyncio.gather(*(task for _, task in under_way))
        for cache in caches:
            await cache.settle()
            for key, source in enumerate(sources):
                assert await cache.get(f"k{key}", source.value) == source.value
            await cache.close()

    asyncio.run(act())
