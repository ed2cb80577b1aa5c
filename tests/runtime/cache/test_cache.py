"""One load per key, whoever asks; what is kept, for how long, and what is shown when the loader fails. In every set of layers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from runtime.cache.fleet import SECOND, Fleet, Source
from scaleworthy.errors import InvalidInput, UsageError
from scaleworthy.runtime.cache import Cache, Policy, ValkeyLayer
from scaleworthy.runtime.cache.loading import Loader
from scaleworthy.runtime.tenant import acting_for
from scaleworthy.series.meter import Meter


async def test_however_many_ask_one_loads(fleet: Fleet) -> None:
    cache, source = await fleet.cache(), Source()
    source.gate.clear()
    asked = [asyncio.create_task(cache.get_or_set("a", source.load)) for _ in range(50)]
    await source.entered.wait()
    source.gate.set()
    assert await asyncio.gather(*asked) == ["value"] * 50
    assert source.asked == 1
    assert await cache.get("a") == "value"
    assert cache.statistics()["default"].joined == 49


async def test_an_error_reaches_all_who_wait_and_is_not_kept(fleet: Fleet) -> None:
    cache, source = await fleet.cache(), Source()
    source.error = RuntimeError("no answer")
    answers = await asyncio.gather(*(cache.get_or_set("a", source.load) for _ in range(5)), return_exceptions=True)
    assert [str(answer) for answer in answers] == ["no answer"] * 5
    source.error = None
    assert await cache.get_or_set("a", source.load) == "value"
    assert source.asked == 2


async def test_one_who_stops_waiting_does_not_stop_the_others(fleet: Fleet) -> None:
    cache, source = await fleet.cache(), Source()
    source.gate.clear()
    first = asyncio.create_task(cache.get_or_set("a", source.load))
    await source.entered.wait()
    second = asyncio.create_task(cache.get_or_set("a", source.load))
    await asyncio.sleep(0)
    first.cancel()
    source.gate.set()
    assert await second == "value"
    assert source.asked == 1
    with pytest.raises(asyncio.CancelledError):
        await first


async def test_nothing_is_remembered_as_nothing(fleet: Fleet) -> None:
    cache, source = await fleet.cache(), Source(None)
    assert await cache.get("a", "default") == "default"
    assert await cache.get_or_set("a", source.load) is None
    assert await cache.get_or_set("a", source.load) is None
    assert await cache.get("a", "default") is None
    assert source.asked == 1


async def test_nothing_is_remembered_for_its_own_time_or_not_at_all(fleet: Fleet) -> None:
    cache, source = await fleet.cache(negative="5s", valkey=None, table=None, early=0.0), Source(None)
    for after_s, asked in ((0, 1), (4, 1), (1, 2)):
        fleet.now_ns += after_s * SECOND
        assert await cache.get_or_set("a", source.load) is None
        assert source.asked == asked
    forgetful, source = await fleet.cache(negative=None), Source(None)
    assert [await forgetful.get_or_set("b", source.load) for _ in range(3)] == [None] * 3
    assert source.asked == 3


async def test_memory_shows_it_until_its_time_is_over(fleet: Fleet) -> None:
    cache, source = await fleet.cache(memory="10s", valkey=None, table=None, early=0.0), Source()
    await cache.get_or_set("a", source.load)
    fleet.now_ns += 10 * SECOND - 1
    assert await cache.get_or_set("a", source.of("new")) == "value"
    fleet.now_ns += 1
    assert await cache.get_or_set("a", source.of("new")) == "new"


async def test_a_stale_value_is_shown_while_one_loads_it_anew(fleet: Fleet) -> None:
    cache, source = await fleet.cache(memory="10s", stale="1m", valkey=None, table=None, early=0.0), Source()
    await cache.get_or_set("a", source.load)
    fleet.now_ns += 11 * SECOND
    source.gate.clear()
    source.value = "new"
    assert [await cache.get_or_set("a", source.load) for _ in range(10)] == ["value"] * 10
    source.gate.set()
    await cache.settle()
    assert await cache.get_or_set("a", source.load) == "new"
    assert source.asked == 2


async def test_a_stale_value_is_shown_while_loading_fails_and_then_tried_again(fleet: Fleet) -> None:
    cache, source = await fleet.cache(memory="10s", stale="1m", valkey=None, table=None, early=0.0), Source()
    await cache.get_or_set("a", source.load)
    source.error = RuntimeError("gone")
    for _ in range(3):
        fleet.now_ns += 11 * SECOND
        assert await cache.get_or_set("a", source.load) == "value"
        await cache.settle()
        # For a second after a failure nobody tries again.
        assert await cache.get_or_set("a", source.load) == "value"
        await cache.settle()
    assert source.asked == 4
    fleet.now_ns += 60 * SECOND
    with pytest.raises(RuntimeError, match="gone"):
        await cache.get_or_set("a", source.load)
    assert cache.statistics()["default"].load_failures == 4


async def test_tags_and_keys_drop_what_they_name_everywhere(fleet: Fleet) -> None:
    cache, other, source = await fleet.cache(), await fleet.cache(), Source()
    await cache.get_or_set("a", source.of(1), tags=["leads", "x"])
    await cache.get_or_set("b", source.of(2), tags=["calls"])
    await cache.get_or_set("c", source.of(3))
    await cache.settle()
    if fleet.shares:
        assert [await other.get(key) for key in "abc"] == [1, 2, 3]
    await cache.invalidate(tags=["leads"], keys=["c"])
    assert [await cache.get(key) for key in "abc"] == [None, 2, None]
    await cache.invalidate(everything=True)
    assert [await cache.get(key) for key in "abc"] == [None, None, None]


@pytest.mark.parametrize("tag", ["two\nlines", "two\u2028lines", "", "naïve 🙂"])
async def test_a_tag_may_be_any_text(fleet: Fleet, tag: str) -> None:
    cache, other, source = await fleet.cache(), await fleet.cache(), Source()
    await cache.get_or_set("a", source.load, tags=[tag])
    await cache.settle()
    assert await other.get("a") == ("value" if fleet.shares else None)
    await other.settle()
    # What the other has in memory it has from below, tags too.
    await other.invalidate(tags=[tag])
    assert await other.get("a") is None


@pytest.mark.parametrize("name", ["a\0b", "".join(map(chr, range(1_000, 9_000)))])
async def test_a_name_that_a_layer_cannot_take_is_no_trouble_of_that_layer(fleet: Fleet, name: str) -> None:
    cache, source = await fleet.cache(), Source()
    for key, tag in ((name, "t"), ("a", name)):
        assert await cache.get_or_set(key, source.load, tags=[tag]) == "value"
        await cache.settle()
        assert await cache.invalidate(keys=[key], tags=[tag])
        assert await cache.get(key) is None
    assert cache.trouble() is None
    assert await cache.get_or_set("b", source.load) == "value"
    await cache.settle()
    assert await (await fleet.cache()).get("b") == ("value" if fleet.shares else None)


async def test_a_load_that_began_before_a_change_is_not_kept_after_it(fleet: Fleet) -> None:
    cache, source = await fleet.cache(), Source("old")
    source.gate.clear()
    loading = asyncio.create_task(cache.get_or_set("a", source.load, tags=["leads"]))
    await source.entered.wait()
    source.value = "new"
    await cache.invalidate(tags=["leads"])
    source.gate.set()
    assert await loading == "old"
    assert await cache.get_or_set("a", source.load, tags=["leads"]) == "new"
    assert cache.statistics()["default"].refused == 1


async def test_what_is_set_is_what_is_shown(fleet: Fleet) -> None:
    cache, source = await fleet.cache(), Source()
    await cache.get_or_set("a", source.load)
    await cache.set("a", {"n": 1}, tags=["leads"])
    assert await cache.get("a") == {"n": 1}
    await cache.invalidate(tags=["leads"])
    assert await cache.get("a") is None


async def test_a_value_that_has_no_bytes_is_kept_in_memory_alone(fleet: Fleet) -> None:
    cache, source = await fleet.cache(), Source({1, 2})
    assert await cache.get_or_set("a", source.load) == {1, 2}
    assert await cache.get("a") == {1, 2}
    assert cache.statistics()["default"].unstorable == int(fleet.shares)


async def test_a_value_of_too_many_bytes_is_kept_in_memory_alone(fleet: Fleet) -> None:
    cache, other, source = await fleet.cache(body_most="1KB"), await fleet.cache(), Source("x" * 998)
    assert await cache.get_or_set("fits", source.load) == "x" * 998
    assert await cache.get_or_set("large", source.of("x" * 999)) == "x" * 999
    await cache.settle()
    assert [await other.get(key) is not None for key in ("fits", "large")] == [fleet.shares, False]
    assert await cache.get("large") == "x" * 999
    assert cache.statistics()["default"].unstorable == int(fleet.shares)


async def test_a_loader_that_hangs_is_given_up(fleet: Fleet) -> None:
    cache, source = await fleet.cache(load_timeout="1ms"), Source()
    source.gate.clear()
    with pytest.raises(
        TimeoutError, match="the loader of 'a' took longer than 1ms, the load_timeout of class 'default'"
    ):
        await cache.get_or_set("a", source.load)
    source.gate.set()
    source.error = TimeoutError("its own")
    with pytest.raises(TimeoutError, match="its own"):
        await cache.get_or_set("a", source.load)
    source.error = None
    assert await cache.get_or_set("a", source.load) == "value"
    assert cache.trouble() is None


async def test_a_decorated_function_is_asked_once_for_each_tenant_and_argument(fleet: Fleet) -> None:
    cache = await fleet.cache()
    asked = []

    @cache.cached("lead:{number}", tags=["leads"])
    async def lead(number: int, *, full: bool = False) -> dict[str, object]:
        asked.append(number)
        return {"number": number, "full": full}

    for tenant in ("a", "b"):
        with acting_for(tenant):
            assert [await lead(1), await lead(number=1), await lead(2)] == [
                {"number": n, "full": False} for n in (1, 1, 2)
            ]
        for args, kwargs in (((1,), {"number": 1}), ((), {}), ((1,), {"fuller": True}), ((1, 2), {})):
            with pytest.raises(TypeError):
                await lead(*args, **kwargs)  # type: ignore[arg-type]
    assert asked == [1, 2, 1, 2]
    assert await cache.get("tenant:a:lead:1") == {"number": 1, "full": False}
    await cache.invalidate(tags=["tenant:a:leads"])
    assert await cache.get("tenant:a:lead:1") is None
    assert await cache.get("tenant:b:lead:1") is not None


async def test_what_cannot_be_is_said_with_what_to_do(fleet: Fleet) -> None:
    cache = await fleet.cache()
    with pytest.raises(UsageError, match="no class of data 'lead'; there are default"):
        await cache.get("a", kind="lead")
    load = Source().load
    for asking in (
        lambda: cache.get_or_set("a", load, tags="leads"),
        lambda: cache.set("a", 1, tags="leads"),
        lambda: cache.invalidate(tags="leads"),
        lambda: cache.invalidate(keys="leads"),
    ):
        with pytest.raises(UsageError, match="several names are wanted, got the text 'leads'"):
            await asking()
    with pytest.raises(UsageError, match="tags: several names are wanted"):
        cache.cached("lead", tags="leads")
    with pytest.raises(UsageError, match="names 'id', which lead does not take"):

        @cache.cached("lead:{id}")
        async def lead(number: int) -> int:
            return number

    with pytest.raises(InvalidInput) as refused:
        Policy(entries=0, memory="soon", jitter=1.0, early=-1.0, load_timeout="0s", body_most="1 house")
    assert len(refused.value.problems) == 6
    with pytest.raises(InvalidInput, match=r"lease: more than no time is wanted.*got '0s'") as refused:
        ValkeyLayer("redis://localhost", budget="50", lease="0s")
    assert len(refused.value.problems) == 2


async def test_what_is_loaded_ahead_of_time_is_waited_for_by_nobody(fleet: Fleet) -> None:
    # So eager that every question loads anew.
    cache, source = await fleet.cache(early=1e12), Source()
    await cache.get_or_set("a", source.load)
    await cache.settle()
    source.gate.clear()
    source.value = "new"
    assert [await cache.get_or_set("a", source.load) for _ in range(5)] == ["value"] * 5
    source.gate.set()
    await cache.settle()
    assert source.asked == 2
    assert await cache.get("a") == "new"
    said = cache.statistics()["default"]
    assert (said.refreshes, said.hit_rate) == (1, 6 / 7)
    await cache.settle()


async def test_warming_loads_what_is_not_there(fleet: Fleet) -> None:
    cache, source = await fleet.cache(), Source()

    async def entries() -> AsyncIterator[tuple[str, Loader]]:
        for key in "abc":
            yield key, source.load

    await cache.get_or_set("b", source.load)
    assert await cache.warm(entries()) == 3
    assert source.asked == 3
    assert [await cache.get(key) for key in "abc"] == ["value"] * 3


async def test_how_often_each_class_was_hit_is_counted_and_recorded(fleet: Fleet) -> None:
    meter = Meter()
    cache, source = Cache(classes={"lead": Policy()}, meter=meter), Source()
    for _ in range(4):
        await cache.get_or_set("a", source.load, kind="lead")
    assert await cache.get("b") is None
    said = cache.statistics()
    assert (said["lead"].hit_rate, said["default"].hit_rate) == (0.75, 0.0)
    text = meter.exposition()
    assert 'scaleworthy_runtime_cache_hits_total{class="lead",layer="memory"} 3' in text
    assert 'scaleworthy_runtime_cache_loads_total{class="lead",outcome="loaded"} 1' in text
    assert 'scaleworthy_runtime_cache_load_time_seconds_count{class="lead"} 1' in text
