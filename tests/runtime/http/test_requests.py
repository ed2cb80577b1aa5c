"""Manners that decide on requests: limits, shedding, joining equal ones, deadlines, draining, the slow log."""

from __future__ import annotations

import asyncio
import heapq
import json
from typing import Any

import pytest

from runtime.http.asking import App, ask
from scaleworthy.runtime.http import (
    AdaptiveLimit,
    Coalescing,
    Deadline,
    Draining,
    Metrics,
    RateLimit,
    Shedding,
    SlowLog,
    Stack,
    by_header,
)
from scaleworthy.runtime.limit import Limit
from scaleworthy.runtime.work import work
from scaleworthy.series.meter import Meter

MS = 1_000_000


async def test_too_many_requests_of_one_tenant_are_refused_and_told_when_to_come_back() -> None:
    app = App()
    limited = RateLimit(Limit("60/m", burst=2, now_ns=lambda: 0), by=by_header("x-tenant-key")).wrap(app)
    told = [await ask(limited, x_tenant_key="a") for _ in range(3)]
    assert [one.status for one in told] == [200, 200, 429]
    assert [one["ratelimit"] for one in told] == ['"default";r=1;t=1', '"default";r=0;t=2', '"default";r=0;t=2']
    assert (told[2]["retry-after"], told[2]["content-type"]) == ("1", "application/problem+json")
    assert "try again in 1 s" in json.loads(told[2].body)["detail"]
    assert app.asked == 2
    assert (await ask(limited, x_tenant_key="b")).status == 200
    assert (await ask(limited, address="10.0.0.2")).status == 200
    assert (await ask(limited, x_tenant_key="10.0.0.2"))["ratelimit"] == '"default";r=1;t=1', (
        "a key is nobody's address"
    )
    assert json.loads(told[2].body)["violated-policies"] == ["default"]
    assert (await ask(limited, "/api/health", x_tenant_key="a")).status == 200


async def test_what_could_only_be_answered_late_is_refused_early() -> None:
    app = App()
    app.gate.clear()
    shed = Shedding(AdaptiveLimit(initial=2))
    busy = shed.wrap(app)
    at_work = [asyncio.create_task(ask(busy)) for _ in range(2)]
    await app.entered.wait()
    await asyncio.sleep(0)
    refused = await ask(busy)
    assert (refused.status, refused["retry-after"]) == (503, "1")
    app.gate.set()
    assert [told.status for told in await asyncio.gather(*at_work)] == [200, 200]
    assert shed.limit.at_work == 0
    assert (await ask(busy)).status == 200


async def test_health_is_never_shed_and_an_error_gives_its_place_back() -> None:
    shed = Shedding(AdaptiveLimit(initial=1, least=1))
    app = shed.wrap(App(error=RuntimeError("no")))
    with pytest.raises(RuntimeError):
        await ask(app)
    assert shed.limit.at_work == 0
    shed.limit.acquire()
    assert (await ask(shed.wrap(App()), "/api/health")).status == 200
    assert (await ask(shed.wrap(App()))).status == 503


def settled(limit: AdaptiveLimit, *, workers: int, service_ns: int, seconds: int = 20) -> int:
    """Offer *limit* more than it lets in, before a server of so many workers with one queue; return where it comes to rest."""
    free_at = [0] * workers
    at_work: list[tuple[int, int, int]] = []
    now = 0
    while now < seconds * 1000 * MS:
        beside = limit.acquire()
        if beside is not None:
            worker = min(range(workers), key=free_at.__getitem__)
            free_at[worker] = max(now, free_at[worker]) + service_ns
            heapq.heappush(at_work, (free_at[worker], now, beside))
            continue
        now, began, beside = heapq.heappop(at_work)
        limit.release(now - began, beside=beside)
    for _, _, beside in at_work:
        limit.release(None, beside=beside)
    return limit.limit


@pytest.mark.parametrize("workers", [4, 16, 64])
def test_the_limit_comes_to_rest_near_what_is_answered_in_time(workers: int) -> None:
    rest = settled(AdaptiveLimit(tolerance=2.0), workers=workers, service_ns=10 * MS)
    assert workers <= rest <= 4 * workers


def test_the_limit_shrinks_where_the_service_becomes_slower_and_grows_back() -> None:
    limit = AdaptiveLimit(tolerance=2.0)
    wide = settled(limit, workers=64, service_ns=10 * MS)
    narrow = settled(limit, workers=8, service_ns=10 * MS)
    assert narrow < wide / 2
    assert settled(limit, workers=64, service_ns=10 * MS) > narrow * 2


def test_a_service_whose_own_time_has_grown_is_not_choked_for_good() -> None:
    limit = AdaptiveLimit(tolerance=2.0)
    settled(limit, workers=16, service_ns=10 * MS)
    assert settled(limit, workers=16, service_ns=100 * MS, seconds=60) >= 16


def test_answers_from_a_cache_do_not_make_the_others_look_slow() -> None:
    """A third is answered in a hundredth of the time: at a steady load that is no reason to let fewer in."""
    limit = AdaptiveLimit(initial=32)
    times = [MS // 5, 20 * MS, 20 * MS]
    for number in range(3000):
        while (beside := limit.acquire()) is not None and limit.at_work < 8:
            limit.release(times[number % 3], beside=beside)
            break
        else:
            limit.release(times[number % 3], beside=beside or limit.at_work)
    assert limit.limit >= 32


def test_who_is_quick_enough_refuses_nobody() -> None:
    limit = AdaptiveLimit(initial=20, enough_ns=500 * MS)
    assert settled(limit, workers=4, service_ns=10 * MS) >= 4 * 500 // 10 // 2


def test_an_idle_service_teaches_nothing() -> None:
    limit = AdaptiveLimit(initial=20)
    for _ in range(1000):
        beside = limit.acquire()
        assert beside == 1
        limit.release(10 * MS, beside=beside)
    assert limit.limit == 20


async def test_equal_requests_are_answered_together() -> None:
    app, joined = App([1]), Coalescing()
    app.gate.clear()
    together = Stack(app, [joined])
    asked = [asyncio.create_task(ask(together, query="a=1", x_tenant_key="a")) for _ in range(5)]
    await app.entered.wait()
    others = [
        asyncio.create_task(ask(together, query="a=1", x_tenant_key="b")),
        asyncio.create_task(ask(together, query="a=2", x_tenant_key="a")),
        asyncio.create_task(ask(together, query="a=1", x_tenant_key="a", cookie="s=1")),
        asyncio.create_task(ask(together, query="a=1", x_tenant_key="a", method="POST")),
    ]
    await asyncio.sleep(0)
    assert app.asked == 5
    asked[0].cancel()
    # One of those who joined takes the place of the one that gave up.
    for _ in range(10):
        await asyncio.sleep(0)
    assert app.asked == 6
    app.gate.set()
    told = await asyncio.gather(*asked[1:], *others)
    assert {one.body for one in told} == {b"[1]"}
    assert joined.joined == 3
    assert (await ask(together, query="a=1", x_tenant_key="a")).body == b"[1]"
    assert app.asked == 7, "what is over is not shared"


async def test_an_error_reaches_all_who_joined() -> None:
    app = App(error=RuntimeError("no"))
    app.gate.clear()
    together = Coalescing().wrap(app)
    asked = [asyncio.create_task(ask(together)) for _ in range(3)]
    await app.entered.wait()
    app.gate.set()
    assert [str(error) for error in await asyncio.gather(*asked, return_exceptions=True)] == ["no"] * 3


@pytest.mark.parametrize(
    "app",
    [
        App(b"ab", headers={"set-cookie": "session=1"}),
        App(b"ab", headers={"vary": "accept, x-plan"}),
        App(b"ab", headers={"vary": "*"}),
        App(pieces=[b"a", b"b"]),
    ],
)
async def test_who_joined_what_is_for_one_alone_asks_by_itself(app: App) -> None:
    app.asked = 0
    app.gate.clear()
    together = Coalescing().wrap(app)
    asked = [asyncio.create_task(ask(together)) for _ in range(3)]
    await app.entered.wait()
    app.gate.set()
    assert [told.body for told in await asyncio.gather(*asked)] == [b"ab"] * 3
    assert app.asked == 3


async def test_requests_that_differ_in_what_they_hold_already_are_not_equal() -> None:
    """An application that answers 304 itself must not answer so to who holds nothing."""
    app = App()
    app.gate.clear()
    together = Coalescing().wrap(app)
    asked = [
        asyncio.create_task(ask(together)),
        asyncio.create_task(ask(together, if_none_match='"a"')),
        asyncio.create_task(ask(together, if_modified_since="Sat, 21 Nov 2026 00:00:00 GMT")),
        asyncio.create_task(ask(together, content_length="2")),
    ]
    await app.entered.wait()
    await asyncio.sleep(0)
    app.gate.set()
    await asyncio.gather(*asked)
    assert app.asked == 4


async def test_a_request_whose_time_is_over_is_ended() -> None:
    app = App()
    app.gate.clear()
    told = await ask(Deadline().wrap(app), request_timeout="1ms")
    assert told.status == 504
    assert json.loads(told.body)["detail"] == "no answer within 1.00 ms"
    app.gate.set()
    assert (await ask(Deadline().wrap(app), request_timeout="2")).status == 200


@pytest.mark.parametrize("said", ["soon", "nan", "inf", "-1", "0", "1e999", ""])
async def test_a_deadline_that_cannot_be_read_is_said(said: str) -> None:
    app = App()
    told = await ask(Deadline().wrap(app), request_timeout=said)
    assert (told.status, app.asked) == (400, 0)
    assert f"got {said!r}" in json.loads(told.body)["detail"]


async def test_a_stream_that_has_begun_is_not_ended_by_the_deadline() -> None:
    going_on = asyncio.Event()

    async def app(scope: object, receive: object, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"a", "more_body": True})
        await going_on.wait()
        await send({"type": "http.response.body", "body": b"b"})

    told = asyncio.create_task(ask(Deadline(most="1ms").wrap(app)))
    # The deadline's timer is due before this one.
    asyncio.get_running_loop().call_later(0.02, going_on.set)
    assert (await told).pieces == [b"a", b"b"]


async def test_a_timeout_of_the_application_itself_is_not_the_deadline() -> None:
    with pytest.raises(TimeoutError):
        await ask(Deadline().wrap(App(error=TimeoutError())))


async def test_a_process_that_leaves_answers_and_sends_its_clients_elsewhere() -> None:
    draining = Draining()
    served = draining.wrap(App())
    assert (await ask(served))["connection"] is None
    draining.leave()
    assert draining.trouble() == "http: this process is ending"
    told = await ask(served)
    assert (told.status, told["connection"]) == (200, "close")
    assert (await ask(draining.wrap(App(pieces=[b"a"]))))["connection"] == "close"


async def test_a_process_that_ends_finishes_what_it_has() -> None:
    app, draining = App(), Draining()
    app.gate.clear()
    served = draining.wrap(app)
    at_work = asyncio.create_task(ask(served))
    await app.entered.wait()
    assert await draining.drain(at_most_s=0) == 1
    refused = await ask(served)
    assert (refused.status, refused["connection"]) == (503, "close")
    drained = asyncio.create_task(draining.drain(at_most_s=60))
    app.gate.set()
    assert (await at_work).status == 200
    assert await drained == 0


async def test_a_slow_request_is_written_down_with_its_slowest_statements() -> None:
    written: list[str] = []
    now = [0]

    async def app(scope: object, receive: object, send: object) -> None:
        noted = work.get()
        assert noted is not None
        for took_ms in (5, 150, 20, 30):
            noted.note(f"select  {took_ms}\n from leads", took_ms * MS)
            now[0] += took_ms * MS
        await App()(scope, receive, send)

    slow = SlowLog(over="200ms", log=lambda form, *values: written.append(form % values))
    await ask(Stack(app, [slow], now_ns=lambda: now[0]))
    assert [line.split("\n") for line in written] == [
        [
            "GET /api/leads took 205 ms, status 200, 4 statements",
            "  150 ms  select 150 from leads",
            "  30.0 ms  select 30 from leads",
            "  20.0 ms  select 20 from leads",
        ]
    ]
    written.clear()
    await ask(Stack(App(), [slow], now_ns=lambda: now[0]))
    assert written == []
    assert work.get() is None


async def test_what_was_refused_before_is_no_slow_request() -> None:
    limit = RateLimit(Limit("1/h", now_ns=lambda: 0))
    app = Stack(App(), [limit, SlowLog()])
    assert [(await ask(app)).status for _ in range(2)] == [200, 429]


async def test_requests_are_counted_by_what_the_service_calls_them() -> None:
    meter = Meter()
    app = Stack(App(), [Metrics(meter)], now_ns=iter(range(0, 10**9, 5 * MS)).__next__)
    for method in ("GET", "GET", "BREW", "COOK"):
        await ask(app, f"/{method}/{meter}", method=method)
    with pytest.raises(RuntimeError):
        await ask(Stack(App(error=RuntimeError("no")), [Metrics(meter)]))
    text = (await ask(app, "/metrics")).body.decode()
    lines = [line for line in text.splitlines() if line.startswith("scaleworthy_runtime_http_requests_total")]
    assert lines == [
        'scaleworthy_runtime_http_requests_total{method="GET",route="(no route)",status="200"} 2',
        'scaleworthy_runtime_http_requests_total{method="GET",route="(no route)",status="none"} 1',
        'scaleworthy_runtime_http_requests_total{method="other",route="(no route)",status="200"} 2',
    ]
    assert 'duration_seconds_bucket{method="GET",route="(no route)",le="0.005"} 1' not in text
    assert "scaleworthy_runtime_http_at_work 0" in text
