"""A real uvicorn, and clients and applications that do not keep to anything."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from fastapi import FastAPI
from fastapi.responses import FileResponse, JSONResponse, StreamingResponse
from redis.asyncio import Redis

from runtime.http.asking import App, ask
from scaleworthy.runtime import http
from scaleworthy.runtime.limit import FleetLimit, Limit
from scaleworthy.servers import Valkey
from waiting import until

DEEP = 100_000


class Service:
    """A FastAPI application in all manners, on a port of its own."""

    def __init__(self) -> None:
        self.shedding = http.Shedding()
        self.draining = http.Draining()
        self.coalescing = http.Coalescing()
        self.written: list[str] = []
        self.gate = asyncio.Event()
        self.closed = asyncio.Event()
        self.app = FastAPI()
        self._routes()
        manners: list[http.Manner] = [
            self.draining,
            http.BodyLimit(1_000_000),
            http.SlowLog(over="1h", log=lambda form, *values: self.written.append(form % values)),
            http.RateLimit(Limit("100000/s")),
            self.shedding,
            http.Deadline(),
            self.coalescing,
            http.Compression(),
            http.ETag(),
            http.Redaction(),
            http.CacheControl(),
        ]
        self.stack = http.Stack(self._entered, manners)
        self.url = ""
        self.server: uvicorn.Server

    async def _entered(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] != "/breaks":
            await self.app(scope, receive, send)
            return
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
        await send({"type": "http.response.body", "body": b"half", "more_body": True})
        raise RuntimeError("half-way")

    def _routes(self) -> None:
        app = self.app

        @app.middleware("http")
        async def cut_up(request: Any, call_next: Callable[[Any], Any]) -> Any:
            """What many applications have: every answer goes out of it in pieces."""
            return await call_next(request)

        @app.post("/echo")
        async def echo(body: dict[str, Any]) -> dict[str, Any]:
            return body

        @app.get("/events")
        async def events() -> StreamingResponse:
            async def told() -> AsyncIterator[bytes]:
                try:
                    for number in range(10**9):
                        yield b"data: %d\n\n" % number
                        await asyncio.sleep(0)
                finally:
                    self.closed.set()

            return StreamingResponse(told(), media_type="text/event-stream")

        @app.get("/waits")
        async def waits() -> dict[str, str]:
            await self.gate.wait()
            return {"said": "x" * 2000}

        @app.get("/file")
        async def file() -> FileResponse:
            return FileResponse(__file__, media_type="text/x-python")

        @app.get("/deep")
        async def deep() -> Any:
            return _Raw(b"[" * DEEP + b"]" * DEEP)


class _Raw(JSONResponse):
    def render(self, content: Any) -> bytes:
        return bytes(content)


@asynccontextmanager
async def serving(service: Service) -> AsyncIterator[httpx.AsyncClient]:
    listening = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(service.stack, log_level="critical", lifespan="off", timeout_graceful_shutdown=5)
    service.server = uvicorn.Server(config)
    running = asyncio.create_task(service.server.serve(sockets=[listening]))
    service.url = f"http://127.0.0.1:{listening.getsockname()[1]}"
    try:
        async with httpx.AsyncClient(base_url=service.url, timeout=20) as client:
            yield client
    finally:
        service.gate.set()
        service.server.should_exit = True
        await running


@pytest.fixture
async def service() -> Service:
    return Service()


async def test_a_client_that_leaves_a_stream_leaves_nothing_behind(service: Service) -> None:
    async with serving(service) as client:
        async with client.stream("GET", "/events") as stream:
            assert stream.headers["content-type"].startswith("text/event-stream")
            assert "etag" not in stream.headers
            async for line in stream.aiter_lines():
                if line == "data: 100":
                    break
            assert service.shedding.limit.at_work == 0, "a stream is no load"
        async with asyncio.timeout(10):
            await service.closed.wait()
        assert (await client.post("/echo", json={})).status_code == 200
    assert (service.draining.at_work, service.shedding.limit.at_work) == (0, 0)


async def test_a_client_that_leaves_before_its_answer_does_not_take_it_from_those_who_joined(service: Service) -> None:
    async with serving(service) as client:
        asked = [asyncio.create_task(client.get("/waits"))]
        await until(lambda: service.draining.at_work == 1, "the first is at work")
        asked += [asyncio.create_task(client.get("/waits")) for _ in range(3)]
        await until(lambda: service.coalescing.joined == 3, "three have joined")
        asked[0].cancel()
        await until(lambda: len(service.server.server_state.connections) == 3, "the server has seen it leave")
        service.gate.set()
        told = await asyncio.gather(*asked, return_exceptions=True)
        assert isinstance(told[0], asyncio.CancelledError)
        assert [one.status_code for one in told[1:] if isinstance(one, httpx.Response)] == [200] * 3
    assert service.draining.at_work == 0


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b'{"a":' * DEEP + b"1" + b"}" * DEEP, 400),
        (b'{"a": "\xff\xfe"}', 400),
        (b'{"a": "half', 422),
        (b"x" * 1_000_001, 413),
        (b'{"a": 1, "password": 2, "deep": [{"token": 3}]}', 200),
    ],
    ids=["deep", "no UTF-8", "half", "too large", "good"],
)
async def test_a_body_is_answered_whatever_it_is(service: Service, body: bytes, status: int) -> None:
    async with serving(service) as client:
        told = await client.post("/echo", content=body, headers={"content-type": "application/json"})
        assert told.status_code == status
        if status == 200:
            assert told.json() == {"a": 1, "deep": [{}]}
        assert (await client.post("/echo", json={"still": "here"})).json() == {"still": "here"}


async def test_a_body_without_a_length_is_refused_when_too_much_has_come(service: Service) -> None:
    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield b"x" * 65_536

    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(20):
            yield b"x" * 65_536

    async with serving(service) as client:
        told = await client.post("/echo", content=pieces(), headers={"content-type": "application/json"})
        assert (told.status_code, told.json()["detail"]) == (413, "a request's body has at most 1000000 bytes")
        # What never ends is cut off: the answer, or the end of the connection, is all that the client sees.
        with contextlib.suppress(httpx.WriteError, httpx.ReadError):
            told = await client.post("/echo", content=endless(), headers={"content-type": "application/json"})
            assert (told.status_code, told.headers["connection"]) == (413, "close")
        await until(lambda: service.draining.at_work == 0, "nothing of it is left")
        assert (await client.post("/echo", json={"still": "here"})).json() == {"still": "here"}


async def test_who_asks_before_it_sends_is_told_before_it_sends(service: Service) -> None:
    async with serving(service):
        host, port = service.url.removeprefix("http://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        head = ("POST /echo HTTP/1.1", "host: a", "expect: 100-continue", "content-length: 2000000", "", "")
        writer.write("\r\n".join(head).encode())
        told = await asyncio.wait_for(reader.read(), 20)
        assert told.startswith(b"HTTP/1.1 413 "), told[:100]
        writer.close()
        await writer.wait_closed()


async def test_an_answer_that_is_nested_too_deeply_is_not_sent(service: Service) -> None:
    async with serving(service) as client:
        told = await client.get("/deep")
        assert (told.status_code, told.json()["title"]) == (500, "Unreadable answer")


async def test_an_answer_that_breaks_half_way_is_not_taken_for_whole(service: Service) -> None:
    async with serving(service) as client:
        with pytest.raises(httpx.RemoteProtocolError):
            await client.get("/breaks")
        assert (await client.post("/echo", json={})).status_code == 200
    assert service.shedding.limit.at_work == 0


async def test_a_file_and_a_part_of_one_arrive_as_they_are(service: Service) -> None:
    source = Path(__file__).read_bytes()  # noqa: ASYNC240 - this test
    async with serving(service) as client:
        whole = await client.get("/file")
        assert (whole.status_code, whole.content) == (200, source)
        part = await client.get("/file", headers={"range": "bytes=10-19"})
        assert (part.status_code, part.content, "content-encoding" in part.headers) == (206, source[10:20], False)
        again = await client.get("/file", headers={"if-none-match": whole.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")
        head = await client.head("/file")
        assert head.status_code == 405 or head.content == b""


async def test_a_drain_under_load_answers_all_that_came(service: Service) -> None:
    """Requests that are at work when the process is told to end are answered; their connections are closed, and none is cut."""
    async with serving(service) as client:
        asked = [asyncio.create_task(client.get("/waits", headers={"accept": str(number)})) for number in range(20)]
        await until(lambda: service.draining.at_work == 20, "all have come")
        service.draining.leave()
        service.server.should_exit = True
        service.gate.set()
        told = await asyncio.gather(*asked)
    assert {one.status_code for one in told} == {200}
    assert {one.headers["connection"] for one in told} == {"close"}
    assert {len(one.json()["said"]) for one in told} == {2000}


async def test_a_process_that_drains_takes_nothing_new_and_finishes_what_it_has(service: Service) -> None:
    async with serving(service) as client:
        asked = asyncio.create_task(client.get("/waits"))
        await until(lambda: service.draining.at_work == 1, "it is at work")
        assert await service.draining.drain(at_most_s=0.001) == 1
        drained = asyncio.create_task(service.draining.drain(at_most_s=20))
        refused = await client.post("/echo", json={})
        assert (refused.status_code, refused.headers["connection"]) == (503, "close")
        assert (refused.json()["title"], refused.headers["retry-after"]) == ("Going away", "1")
        service.gate.set()
        told = await asked
        assert (told.status_code, told.headers["connection"], await drained) == (200, "close", 0)


async def test_a_fleets_limit_without_its_valkey_is_each_processes_share_and_comes_back() -> None:
    with Valkey.start() as gone:
        port = gone.port
        client = Redis.from_url(gone.url, retry=None)
        now = [0.0]
        limit = FleetLimit(client, "4/h", burst=4, processes=2, budget_s=5, now=lambda: now[0])
        limited = http.RateLimit(limit).wrap(App())
        assert (await ask(limited))["ratelimit"] == '"default";r=3;t=900'
        assert limited.trouble() is None
    assert [(await ask(limited)).status for _ in range(3)] == [200, 200, 429]
    assert "the limit's Valkey" in (limited.trouble() or "")
    with Valkey.start(port=port):
        now[0] += 60
        assert (await ask(limited)).status == 200
        assert limited.trouble() is None
    await client.aclose()


async def test_a_fleets_limit_whose_valkey_does_not_answer_costs_its_budget_once() -> None:
    """A server that accepts and says nothing: the first request waits for the budget, the others do not."""
    held: list[asyncio.StreamWriter] = []
    async with await asyncio.start_server(lambda _reader, writer: held.append(writer), "127.0.0.1", 0) as silent:
        port = silent.sockets[0].getsockname()[1]
        client = Redis(port=port, retry=None)
        limit = FleetLimit(client, "1000/s", budget_s=0.02, now=lambda: 0.0)
        limited = http.RateLimit(limit).wrap(App())
        assert [(await ask(limited)).status for _ in range(50)] == [200] * 50
        assert limit._guard.failures == 1
        assert "no answer within 20 ms" in (limited.trouble() or "")
        await client.aclose()
        for writer in held:
            writer.close()


async def test_a_clock_that_jumps_lets_nobody_wait_longer_than_the_whole_burst(valkey: Valkey) -> None:
    """The fleet's times are the server's: one far ahead, as before its clock was set back, is cut to what a full burst takes."""
    client = Redis.from_url(valkey.url)
    limit = FleetLimit(client, "60/m", burst=3, prefix="jump:", budget_s=5)
    await client.set("jump:address", 10**18)
    refused = await limit.check("address")
    assert not refused.allowed
    assert 0 < (refused.retry_after_s or 0) <= 1
    await client.set("jump:address", 1)
    assert (await limit.check("address")).remaining == 2
    await client.aclose()


async def test_a_clock_that_goes_backwards_in_one_process_refuses_and_learns_nothing_wrong() -> None:
    times = iter([10**12, 10**12 - 10**9, *range(10**12, 10**13, 10**9)])
    shed = http.Shedding()
    stack = http.Stack(App(), [shed, http.SlowLog()], now_ns=lambda: next(times))
    assert (await ask(stack)).status == 200
    assert shed.limit.at_work == 0
    assert json.loads((await ask(stack)).body) == {}
