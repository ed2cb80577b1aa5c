"""The event stream over real sockets: a tenant hears of its own events, everywhere, and who does not read is dropped with a reason."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

import waiting
from scaleworthy.runtime.events import inbox, outbox
from scaleworthy.servers import Postgres, Valkey
from scaleworthy.switchboard.live.hub import KINDS
from scaleworthy.switchboard.migrate import migrations_of, relay_dsn
from scaleworthy.switchboard.processes import HttpProcesses
from scaleworthy.switchboard.routes.events import BURST
from scaleworthy.switchboard.settings import Settings

from .running import SECRET, Data, fill
from .test_manners import counted

_WAIT_S = 15


class Served:
    """Service processes, and one tenant's way to them."""

    def __init__(self, http: HttpProcesses, data: Data) -> None:
        self.url = http.url
        self.data = data
        self.keys = [key for _, key in data.tenants]

    def post(self, path: str, tenant: int, body: dict[str, Any]) -> dict[str, Any]:
        answer = httpx.post(self.url + path, json=body, headers={"x-tenant-key": self.keys[tenant]}, timeout=_WAIT_S)
        assert answer.is_success, answer.text
        return dict(answer.json())

    @asynccontextmanager
    async def socket(self, tenant: int, *events: str, **options: Any) -> AsyncIterator[ClientConnection]:
        """A socket that has subscribed to *events*."""
        url = self.url.replace("http", "ws") + "/api/events"
        headers = {"x-tenant-key": self.keys[tenant]}
        async with connect(url, additional_headers=headers, compression=None, **options) as opened:
            if events:
                await opened.send(json.dumps({"type": "subscribe", "events": events}))
                answer = await heard(opened)
                assert answer["type"] == "subscribed"
                assert answer["data"]["tenant_id"] == self.data.tenants[tenant][0]
            yield opened


async def heard(opened: ClientConnection) -> dict[str, Any]:
    async with asyncio.timeout(_WAIT_S):
        return dict(json.loads(await opened.recv()))


async def until(opened: ClientConnection, kind: str) -> dict[str, Any]:
    """Return the next event of *kind*."""
    while (event := await heard(opened))["type"] != kind:
        pass
    return event


def serve(data: Data, shape: str, cache: str | None, workers: int, **settings: Any) -> Iterator[Served]:
    with HttpProcesses.bind(port=0, workers=workers) as http:
        http.serve(
            Settings(
                shape=shape,
                dsn=data.app,
                relay_dsn=relay_dsn(data.owner),
                cache=cache,
                default_key=data.tenants[0][1],
                webhook_secret=SECRET,
                **settings,
            )
        )
        yield Served(http, data)


@pytest.fixture(scope="module", params=["day-one", "tuned"])
def served(request: pytest.FixtureRequest, postgres: Postgres, valkey: Valkey) -> Iterator[Served]:
    sets = ("tuned",) if request.param == "tuned" else ()
    data = fill(postgres, f"events_{request.param.replace('-', '_')}", sets=sets)
    yield from serve(data, request.param, valkey.url, 2)


async def test_a_tenant_hears_of_its_own_events_and_of_no_others(served: Served) -> None:
    async with served.socket(1, "*") as ours, served.socket(2, "*") as theirs:
        lead = await asyncio.to_thread(served.post, "/api/leads", 1, {"name": "Ann", "phone": "+15550177"})
        call = await asyncio.to_thread(served.post, "/api/calls/start", 1, {"phone_number": "+15550177"})
        await asyncio.to_thread(served.post, "/api/calls/end", 1, {"call_id": call["id"]})
        events = [await heard(ours) for _ in range(3)]
        assert sorted(event["type"] for event in events) == ["call.ended", "call.started", "lead.created"]
        assert {event["data"]["tenant_id"] for event in events} == {served.data.tenants[1][0]}
        by_kind = {event["type"]: event["data"] for event in events}
        assert (by_kind["lead.created"]["id"], by_kind["lead.created"]["name"]) == (lead["id"], "Ann")
        assert by_kind["call.ended"]["status"] == "completed"
        kinds = [event["type"] for event in events if event["type"].startswith("call")]
        assert kinds == ["call.started", "call.ended"], "in the order in which they happened"
        # What the other tenant hears first is what happens to it now: nothing came before.
        await asyncio.to_thread(served.post, "/api/leads", 2, {"name": "Bo"})
        assert (await heard(theirs))["data"]["name"] == "Bo"


async def test_sockets_of_every_process_hear(served: Served) -> None:
    """Sixteen connections are shared out between two processes by the kernel."""
    async with asyncio.TaskGroup() as group:
        ready = asyncio.Barrier(17)

        async def listen() -> None:
            async with served.socket(3, "lead.*") as opened:
                await ready.wait()
                assert (await heard(opened))["data"]["name"] == "Cy"

        for _ in range(16):
            group.create_task(listen())
        await ready.wait()
        await asyncio.to_thread(served.post, "/api/leads", 3, {"name": "Cy"})


async def test_media_streams_of_every_process_end_with_their_call(served: Served) -> None:
    call = await asyncio.to_thread(served.post, "/api/calls/start", 1, {"phone_number": "+15550178"})
    url = f"{served.url.replace('http', 'ws')}/api/calls/{call['id']}/media"
    async with AsyncExitStack() as opened:
        streams = [
            await opened.enter_async_context(connect(url, additional_headers={"x-tenant-key": served.keys[1]}))
            for _ in range(16)
        ]
        for stream in streams:
            assert (await heard(stream))["event"] == "connected"
        await asyncio.to_thread(served.post, "/api/calls/end", 1, {"call_id": call["id"]})
        for stream in streams:
            with pytest.raises(ConnectionClosed) as closed:
                await heard(stream)
            assert closed.value.rcvd is not None
            assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (4409, f"call {call['id']} has ended")
    saved = "select count(*) from media_streams where call_id = %s and close_code = 4409"
    assert served.data.rows(saved, [call["id"]]) == [(16,)]

    async def metrics() -> str | None:
        text = (await asyncio.to_thread(httpx.get, f"{served.url}/metrics", timeout=_WAIT_S)).text
        return text if set(counted(text, "scaleworthy_switchboard_media_open")) == {("0",), ("1",)} else None

    text = await waiting.until(metrics, "both processes tell")
    assert sum(counted(text, "scaleworthy_switchboard_media_open").values()) == 0
    assert sum(counted(text, "scaleworthy_switchboard_media_streams_total").values()) == 16


async def test_a_webhook_is_told_and_so_is_its_payment(served: Served) -> None:
    async with served.socket(0, "payment.received", "webhook.received") as opened:
        body = {"type": "invoice.payment_succeeded", "data": {"object": {"amount_paid": 700, "currency": "eur"}}}
        header = {"stripe-signature": "test_signature"}
        answer = await asyncio.to_thread(
            httpx.post, served.url + "/api/webhooks/stripe", json=body, headers=header, timeout=_WAIT_S
        )
        assert answer.status_code == 200
        events = {event["type"]: event["data"] for event in [await heard(opened), await heard(opened)]}
        assert events["webhook.received"]["event_id"] == answer.json()["event_id"]
        assert "payload" not in events["webhook.received"]
        assert events["payment.received"]["amount_cents"] == 700


async def test_who_wants_less_hears_less(served: Served) -> None:
    async with served.socket(1, "lead.*") as opened:
        await opened.send(json.dumps({"type": "unsubscribe", "events": ["lead.created"]}))
        assert (await heard(opened))["data"]["events"] == ["lead.deleted", "lead.updated"]
        lead = await asyncio.to_thread(served.post, "/api/leads", 1, {"name": "Di"})
        headers = {"x-tenant-key": served.keys[1]}
        path = f"{served.url}/api/leads/{lead['id']}"
        await asyncio.to_thread(httpx.delete, path, headers=headers, timeout=_WAIT_S)
        event = await heard(opened)
        assert (event["type"], event["data"]["id"]) == ("lead.deleted", lead["id"])


@pytest.mark.parametrize(
    ("said", "answer"),
    [
        ("nonsense", "this is no JSON"),
        ('{"type": "shout"}', "type: Input should be"),
        ('{"type": "subscribe", "events": ["moon.landed"]}', "no events are called 'moon.landed'; there are call"),
        ('{"type": "subscribe", "events": "lead"}', "events: Input should be a valid list"),
        ("[" * 5_000, "this is no JSON"),
    ],
)
async def test_what_makes_no_sense_is_answered(served: Served, said: str, answer: str) -> None:
    async with served.socket(1) as opened:
        await opened.send(said)
        event = await heard(opened)
        assert event["type"] == "error"
        assert answer in event["data"]["message"]
        await opened.send(b'{"type": "ping"}')
        assert (await heard(opened))["type"] == "pong"
        await (await opened.ping())


async def test_who_floods_or_sends_too_much_is_dropped_with_a_reason(served: Served) -> None:
    async with served.socket(1) as opened:
        for _ in range(BURST * 3):
            await opened.send('{"type": "ping"}')
        with pytest.raises(ConnectionClosed) as flooded:
            await until(opened, "never")
        assert (flooded.value.rcvd.code, flooded.value.rcvd.reason[:17]) == (1008, "too many messages")  # type: ignore[union-attr]
    async with served.socket(1) as opened:
        await opened.send("x" * 70_000)
        with pytest.raises(ConnectionClosed) as too_large:
            await heard(opened)
        assert too_large.value.rcvd.code == 1009  # type: ignore[union-attr]


@pytest.mark.parametrize(("key", "status"), [("key_nobody", 401), ("' or 1=1 --", 401)])
async def test_who_is_no_tenant_is_not_let_in(served: Served, key: str, status: int) -> None:
    with pytest.raises(InvalidStatus) as refused:
        async with connect(served.url.replace("http", "ws") + "/api/events", additional_headers={"x-tenant-key": key}):
            pass
    assert refused.value.response.status_code == status
    assert json.loads(refused.value.response.body)["error"] == "unknown_tenant"


async def test_a_key_may_stand_in_the_address(served: Served) -> None:
    async with connect(f"{served.url.replace('http', 'ws')}/events?key={served.keys[2]}") as opened:
        await opened.send('{"type": "subscribe", "events": ["*"]}')
        said = (await heard(opened))["data"]
    assert said == {"events": sorted(KINDS), "tenant_id": served.data.tenants[2][0]}


async def test_who_does_not_read_is_dropped_and_holds_nobody_up(served: Served) -> None:
    """A socket with a small receive buffer takes nothing; the others hear all the while, and it finds out why it was dropped."""
    small = socket.socket()
    small.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    small.setblocking(False)
    host, port = served.url.removeprefix("http://").split(":")
    await asyncio.get_running_loop().sock_connect(small, (host, int(port)))
    before = await asyncio.to_thread(dropped, served)
    async with served.socket(3, "lead.*") as quick:
        slow = await connect(
            served.url.replace("http", "ws") + "/api/events",
            sock=small,
            additional_headers={"x-tenant-key": served.keys[3]},
            compression=None,
            max_queue=1,
            ping_interval=None,
        )
        await slow.send('{"type": "subscribe", "events": ["lead.*"]}')
        # Written past the service, and told as any other writer's rows are.
        way = "notify" if "day_one" in served.data.owner else "outbox"

        async def is_dropped() -> bool:
            await asyncio.to_thread(write_leads, served.data, 3, way, 300)
            for _ in range(300):
                assert (await heard(quick))["type"] == "lead.created"
            return await asyncio.to_thread(dropped, served) > before

        # Its reason waits for a client for as long as closing may take: it is read as soon as it is there.
        await waiting.until(is_dropped, "more is unsent than its buffer, the kernel's and ours hold together")
        with pytest.raises(ConnectionClosed) as closed:
            await until(slow, "never")
        assert closed.value.rcvd is not None
        assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (1008, "too slow: what was sent is not read")


def dropped(served: Served) -> float:
    """Return how many sockets all processes have dropped for not reading."""
    text = httpx.get(f"{served.url}/metrics", timeout=_WAIT_S).text
    return sum(counted(text, "scaleworthy_switchboard_events_dropped_total").values())


def write_leads(data: Data, tenant: int, way: str, rows: int) -> None:
    data.rows(
        f"set switchboard.events = {way}; insert into leads (tenant_id, name, status, source, score, value_cents)"
        f" select '{data.tenants[tenant][0]}', repeat('x', 150), 'new', 'web', 1, 1 from generate_series(1, {rows})"
    )


async def test_without_valkey_events_wait_with_a_reason_and_come_when_it_is_back(postgres: Postgres) -> None:
    data = fill(postgres, "events_valkey_gone", sets=("tuned",))
    with Valkey.start() as cache:
        port = cache.port
        for served in serve(data, "tuned", cache.url, 1):
            async with served.socket(1, "*") as opened, served.socket(0, "payment.*") as paid:
                await asyncio.to_thread(served.post, "/api/leads", 1, {"name": "before"})
                assert (await heard(opened))["data"]["name"] == "before"
                cache.stop()
                await asyncio.to_thread(served.post, "/api/leads", 1, {"name": "meanwhile"})
                body = {"type": "invoice.payment_succeeded"}
                header = {"stripe-signature": "test_signature"}
                answer = await asyncio.to_thread(
                    httpx.post, f"{served.url}/webhooks/stripe", json=body, headers=header, timeout=_WAIT_S
                )
                assert answer.status_code == 200, "stored and answered, to be handled when it can be"
                health = await reasons(served, "events")
                assert health["webhooks_waiting"] == 1
                with Valkey.start(port=port):
                    assert (await heard(opened))["data"]["name"] == "meanwhile"
                    assert (await heard(paid))["type"] == "payment.received"

                    async def is_well(served: Served = served) -> bool:
                        return (await asyncio.to_thread(httpx.get, f"{served.url}/health", timeout=_WAIT_S)).json()[
                            "status"
                        ] == "ok"

                    await waiting.until(is_well, "health is ok")
    paid_for = "select count(*) from payments p join webhook_events e on e.id = p.webhook_event_id where event_id = %s"
    assert data.rows(paid_for, [answer.json()["event_id"]]) == [(1,)]


async def test_who_came_before_the_process_heard_of_anything_is_told_of_the_gap(postgres: Postgres) -> None:
    data = fill(postgres, "events_early", sets=("tuned",))
    with Valkey.start() as cache:
        port, url = cache.port, cache.url
    for served in serve(data, "tuned", url, 1):
        async with served.socket(1, "lead.*") as opened:
            health = await reasons(served, "events are not heard")
            assert health["status"] == "degraded"
            with Valkey.start(port=port):
                assert (await heard(opened))["type"] == "gap"
                await asyncio.to_thread(served.post, "/api/leads", 1, {"name": "after"})
                assert (await heard(opened))["data"]["name"] == "after"


async def test_a_process_that_was_cut_off_from_notifications_says_so(postgres: Postgres) -> None:
    data = fill(postgres, "events_cut_off")
    for served in serve(data, "day-one", None, 1):
        async with served.socket(1, "lead.*") as opened:
            data.rows(
                "select pg_terminate_backend(pid) from pg_stat_activity"
                " where query = 'listen switchboard_events' and datname = current_database()"
            )
            assert (await heard(opened))["type"] == "gap"
            await asyncio.to_thread(served.post, "/api/leads", 1, {"name": "after"})
            assert (await heard(opened))["data"]["name"] == "after"


def test_the_migration_makes_the_runtimes_own_tables() -> None:
    [text] = [migration.text for migration in migrations_of("base") if migration.name == "0030_events"]
    for statements in (outbox.statements(), inbox.inbox_statements()):
        assert statements in text


async def reasons(served: Served, word: str) -> dict[str, Any]:
    """Return health once one of its reasons begins with *word*."""

    async def told() -> dict[str, Any] | None:
        answer = await asyncio.to_thread(httpx.get, f"{served.url}/health", timeout=_WAIT_S)
        said: dict[str, Any] = answer.json()
        return said if any(reason.startswith(word) for reason in said["reasons"]) else None

    return await waiting.until(told, f"health has a reason that begins with {word}")
