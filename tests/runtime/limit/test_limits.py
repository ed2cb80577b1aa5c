"""Limits let their rate and burst through, and tell a refused client when to come back."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis

from scaleworthy.errors import UsageError
from scaleworthy.runtime.limit import FleetLimit, Limit, LimitStatistics, Quota
from scaleworthy.series.meter import Meter
from scaleworthy.servers import Valkey

SECOND = 10**9


@pytest.fixture
async def client(valkey: Valkey) -> AsyncIterator[Redis]:
    client = Redis.from_url(valkey.url)
    yield client
    await client.aclose()


def test_a_refused_event_is_told_when_it_would_pass() -> None:
    now = 0
    limit = Limit("60/m", burst=3, now_ns=lambda: now)
    assert [limit.allows("a") for _ in range(4)] == [True, True, True, False]
    refused = limit.check("a")
    assert (refused.allowed, refused.retry_after_s, refused.reset_after_s) == (False, 1.0, 3.0)
    assert refused.headers() == {
        "ratelimit-policy": '"default";q=3;w=3',
        "ratelimit": '"default";r=0;t=3',
        "retry-after": "1",
    }
    now = SECOND
    passed = limit.check("a")
    assert passed.allowed
    assert "retry-after" not in passed.headers()


def test_a_clock_that_jumps_refuses_for_no_longer_than_a_whole_burst() -> None:
    now = 3_600 * SECOND
    limit = Limit("1/s", burst=3, now_ns=lambda: now)
    limit.check("a", 3)
    now = -3_600 * SECOND
    assert limit.check("a").retry_after_s == 1.0
    now = 7_200 * SECOND
    assert limit.check("a").remaining == 2


def test_who_waits_as_told_is_let_through() -> None:
    now = 0
    limit = Limit("7/m", burst=1, now_ns=lambda: now)
    assert limit.allows("a")
    told = int(limit.check("a").headers()["retry-after"])
    now = told * SECOND
    assert limit.allows("a")


def test_more_than_the_burst_is_never_let_through() -> None:
    refused = Limit("10/s", burst=5).check("a", cost=6)
    assert (refused.allowed, refused.retry_after_s) == (False, None)
    assert "retry-after" not in refused.headers()


@pytest.mark.parametrize("rate", ["0/s", "fast", "-1/s"])
def test_a_rate_that_cannot_be_is_refused(rate: str) -> None:
    with pytest.raises(UsageError, match=rate):
        Quota.parse(rate)


async def test_a_fleet_counts_together(client: Redis) -> None:
    processes = [FleetLimit(client, "1/h", burst=10, prefix="together:", budget_s=5) for _ in range(4)]
    verdicts = await asyncio.gather(*(process.check("a") for process in processes for _ in range(5)))
    assert sum(verdict.allowed for verdict in verdicts) == 10
    refused = [verdict for verdict in verdicts if not verdict.allowed]
    assert {verdict.remaining for verdict in refused} == {0}
    assert all(3500 <= (verdict.retry_after_s or 0) <= 3600 for verdict in refused)
    assert (await processes[0].check("b")).remaining == 9
    assert (await processes[0].check("b", cost=11)).retry_after_s is None


async def test_without_its_server_each_process_counts_its_share() -> None:
    with Valkey.start() as gone:
        client = Redis.from_url(gone.url, retry=None)
        limit = FleetLimit(client, "4/h", burst=4, processes=2, budget_s=5)
        assert (await limit.check("a")).allowed
        assert limit.trouble() is None
    assert [(await limit.check("a")).allowed for _ in range(4)] == [True, True, False, False]
    assert "limit's Valkey" in (limit.trouble() or "")
    await client.aclose()


async def test_a_server_that_hangs_or_is_full_is_done_without_until_it_is_back() -> None:
    now = [0.0]
    with Valkey.start(settings={"maxmemory-policy": "noeviction"}) as own:
        async with Redis.from_url(own.url, retry=None) as client:
            hung = FleetLimit(client, "4/h", burst=4, processes=2, budget_s=0.02, now=lambda: now[0])
            os.kill(own.pid, signal.SIGSTOP)
            try:
                assert [(await hung.check("a")).allowed for _ in range(3)] == [True, True, False]
            finally:
                os.kill(own.pid, signal.SIGCONT)
            assert hung.trouble() == "the limit's Valkey: no answer within 20 ms"
            assert hung.statistics().alone == 3
            # A server that works may need longer than that here.
            limit = FleetLimit(client, "4/h", burst=4, processes=2, budget_s=5, now=lambda: now[0])
            for limits in (b"1", b"0"):
                await client.config_set("maxmemory", limits)
                now[0] += 60
                await limit.check("b")
                assert ("maxmemory" in (limit.trouble() or "")) == (limits == b"1")
            assert limit.trouble() is None
            assert limit.statistics().alone == 1


async def test_what_waits_for_the_server_has_a_bound(client: Redis) -> None:
    limit = FleetLimit(client, "1/h", burst=10, prefix="bound:", budget_s=5, waiting=3)
    await asyncio.gather(*(limit.check("a") for _ in range(8)))
    assert limit.statistics().alone == 5


def test_what_it_counts_is_recorded() -> None:
    meter = Meter()
    limit = Limit("1/h", burst=2, name="tenants", meter=meter)
    for _ in range(3):
        limit.allows("a")
    text = meter.exposition()
    assert 'scaleworthy_runtime_limit_allowed_total{by="tenants"} 2' in text
    assert 'scaleworthy_runtime_limit_refused_total{by="tenants"} 1' in text
    assert limit.statistics() == LimitStatistics(allowed=2, refused=1)
