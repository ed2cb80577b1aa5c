"""WebSockets of Python scenarios: exchanges, pushes, pings, ends of every kind, and counts that agree with a plan's."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from websockets.sync.server import ServerConnection

from load.scenarios.test_runs import plan
from load.talking import echo, talking
from scaleworthy.load import ExpectationFailed, RequestFailed, User, make_plan, run_load
from scaleworthy.series import MemoryStore


def handler(connection: ServerConnection) -> None:
    """Say each message again; `push` pushes, `silent` says nothing, `close` closes."""
    for message in connection:
        if message == "push":
            for number in range(5):
                connection.send(f'{{"n": {number}}}')
        elif message == "close":
            connection.close(4001, "enough")
            return
        elif message == "bye":
            return
        elif message != "silent":
            connection.send(message)


@pytest.fixture
def url() -> Iterator[str]:
    with talking(handler) as url:
        yield url


@pytest.fixture
async def user(url: str) -> AsyncIterator[User]:
    async with User.once(url) as made:
        yield made


async def test_what_is_said_is_answered(user: User) -> None:
    async with user.websocket("/live") as ws:
        assert ws.subprotocol is None
        await ws.send("hello")
        message = await ws.receive()
        assert (message.text, message.is_binary) == ("hello", False)
        assert message.elapsed_ns > 0
        assert (await ws.ask(json={"a": [1]})).json() == {"a": [1]}
        assert (await ws.ask(b"\x00" * 100_000)).content == b"\x00" * 100_000
        assert await ws.ping() > 0
        assert ws.close_code is None
    assert ws.close_code == 1000


async def test_several_tasks_may_say_more_than_is_on_its_way_at_once(user: User) -> None:
    async with asyncio.timeout(20), user.websocket("/live") as ws:
        await asyncio.gather(*(ws.send(f"{number:05} {'x' * 50_000}") for number in range(20)))
        heard = [(await ws.receive()).text[:5] for _ in range(20)]
    assert sorted(heard) == [f"{number:05}" for number in range(20)]


async def test_pushes_are_picked_and_taken_in_turn(user: User) -> None:
    async with user.websocket("/live") as ws:
        await ws.send("push")
        assert (await ws.receive(json={"$.n": 2})).json() == {"n": 2}
        assert (await ws.receive()).json() == {"n": 3}
        await ws.send("push")
        await ws.send("bye")
        seen = [message.json()["n"] async for message in ws]
    assert seen == [4, 0, 1, 2, 3, 4]


async def test_one_task_listens_while_another_speaks(user: User) -> None:
    async with user.websocket("/live") as ws:

        async def listen() -> list[str]:
            return [message.text async for message in ws]

        listening = asyncio.create_task(listen())
        for number in range(20):
            await ws.send(str(number))
        await ws.send("bye")
        assert await listening == [str(number) for number in range(20)]


async def test_a_wait_that_is_too_long_leaves_the_socket_open(user: User) -> None:
    async with user.websocket("/live") as ws:
        await ws.send("silent")
        with pytest.raises(RequestFailed, match="no message within 50 ms") as failed:
            await ws.receive(timeout="50ms")
        assert failed.value.kind == "timeout"
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(ws.receive(), 0.02)
        assert (await ws.ask("still there")).text == "still there"


async def test_a_close_by_the_server_is_raised_where_something_was_to_come(user: User) -> None:
    async with user.websocket("/live") as ws:
        with pytest.raises(RequestFailed, match=r"closed the socket with 4001.*enough") as failed:
            await ws.ask("close")
        assert failed.value.kind == "ws-close"
        assert ws.close_code == 4001
        for again in (ws.receive, ws.ping, lambda: ws.send("x")):
            with pytest.raises(RequestFailed, match="4001"):
                await again()


async def test_what_is_no_socket_is_refused(user: User) -> None:
    with pytest.raises(RuntimeError, match="not open"):
        user.websocket("/live").send("x")
    async with user.websocket("/live") as ws:
        for code, reason in ((1005, ""), (1000, "x" * 124)):
            with pytest.raises(ValueError, match="closed with"):
                await ws.close(code, reason)
        await ws.close(4000, "done")
        assert ws.close_code == 4000


async def test_a_subprotocol_is_agreed_on() -> None:
    with talking(echo, subprotocols=["chat"]) as url:
        async with User.once(url) as user, user.websocket("/", subprotocols=["best", "chat"]) as ws:
            assert ws.subprotocol == "chat"


async def test_a_server_that_speaks_no_websocket_fails_the_opening() -> None:
    from load.listening import Said, listening

    with listening(lambda _: Said(status=403)) as site:
        async with User.once(site.url) as user:
            with pytest.raises(ExpectationFailed, match="wanted status 101, got 403"):
                await user.websocket("/live").__aenter__()


def test_a_plan_and_a_scenario_count_the_same(tmp_path: Path) -> None:
    steps = [
        {"send": {"json": {"a": 1}}, "receive": {"timeout": "5s"}, "name": "first"},
        {"send": "alone"},
        {"receive": {"contains": "alone"}, "name": "later"},
        {"ping": True, "name": "ping"},
    ]
    opening = {"websocket": "/live", "name": "open", "steps": steps, "close": {"code": 4000}}
    text = """
        @scenario
        async def chat(user):
            async with user.websocket("/live", name="open") as ws:
                await ws.ask(json={"a": 1}, name="first", timeout="5s")
                await ws.send("alone", name="later")
                await ws.receive(contains="alone", name="later")
                await ws.ping(name="ping")
                await ws.close(4000)
    """
    load = {"users": 4, "count": 60}
    stores = MemoryStore(), MemoryStore()
    with talking(echo) as url:
        data = {"target": url, "scenarios": [{"name": "chat", "steps": [opening]}], "load": load, "seed": 1}
        one = run_load(make_plan(data), stores[0])
        other = run_load(plan(tmp_path, text, url, load, workers=2), stores[1])

    assert one["errors"] == other["errors"] == {}
    for field in ("planned", "started", "answered", "failed", "statuses"):
        assert one[field] == other[field], field
    names = ("load.planned", "load.answered", "load.ws.messages_sent")
    for step in ("open", "first", "later", "ping"):
        for name in names:
            assert stores[0].total(name, labels={"step": step}) == stores[1].total(name, labels={"step": step}), (
                name,
                step,
            )
    for store in stores:
        assert store.by_label("load.ws.closes", "code") == {"4000": 60}
        assert store.total("load.ws.messages_received") == 120
        assert store.histogram("load.ws.ping").count == 60
        for step in ("first", "later"):
            assert store.histogram("load.ws.round_trip", labels={"step": step}).count == 60


def test_ends_of_a_run_and_closes_are_counted(url: str, tmp_path: Path) -> None:
    """At the end sockets that are held are closed with 1001, and a close that nobody catches is one error each."""
    text = """
        @scenario
        async def hold(user):
            async with user.websocket("/live", name="open") as ws:
                await ws.ask("hello", name="hello")
                await user.think("60s")
    """
    store = MemoryStore()
    summary = run_load(plan(tmp_path, text, url, {"users": 3, "for": "300ms"}), store)
    assert (summary["planned"], summary["answered"], summary["errors"]) == (6, 6, {})
    assert store.by_label("load.ws.closes", "code") == {"1001": 3}

    text = """
        @scenario
        async def closed(user):
            async with user.websocket("/live", name="open") as ws:
                await ws.ask("close", name="asked")
    """
    store = MemoryStore()
    summary = run_load(plan(tmp_path, text, url, {"rate": "20/s", "count": 4}), store)
    assert (summary["errors"], summary["answered"]) == ({"ws-close": 4}, 4)
    assert store.by_label("load.ws.closes", "code") == {"4001": 4}
