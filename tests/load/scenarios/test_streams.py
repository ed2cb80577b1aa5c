"""Answers in events, in Python scenarios: whole, event by event, left early, too many to be taken, and counted as a plan's are."""

from __future__ import annotations

import asyncio
import itertools
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from load.asgi import serving
from load.http2_site import Answer, http2_site
from load.scenarios.test_runs import plan
from scaleworthy._native import NullServer
from scaleworthy.load import ExpectationFailed, RequestFailed, User, make_plan, run_load
from scaleworthy.series import MemoryStore

BIG = 64 * 1024


class Site:
    """Streams as their paths ask for, and what became of them."""

    def __init__(self) -> None:
        self.sent = 0
        self.left = threading.Event()

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        while (await receive()).get("more_body"):
            pass
        status = 503 if scope["path"] == "/busy" else 200
        kind = b"application/x-ndjson" if scope["path"] == "/lines" else b"text/event-stream"
        await send({"type": "http.response.start", "status": status, "headers": [(b"content-type", kind)]})
        async for text in self._said(scope["path"], receive):
            await send({"type": "http.response.body", "body": text.encode(), "more_body": True})
            self.sent += len(text)
        await send({"type": "http.response.body", "body": b""})

    async def _said(self, path: str, receive: Any) -> Any:
        if path == "/model":
            for word in ("a", "b", "c"):
                yield f'data: {{"choices":[{{"delta":{{"content":"{word}"}}}}]}}\n\n'
            yield 'data: {"choices":[{"finish_reason":"stop"}],"usage":{"prompt_tokens":7,"completion_tokens":9}}\n\n'
            yield "data: [DONE]\n\n"
        elif path == "/cut":
            yield 'data: {"choices":[{"delta":{"content":"w"}}]}\n\n'
        elif path == "/lines":
            yield '{"n": 1}\n{"n": 2}\n'
        elif path == "/endless":
            gone = asyncio.ensure_future(receive())
            while not gone.done():
                # A send to a connection that is gone does not wait, and then nothing else would get its turn.
                await asyncio.sleep(0)
                yield f"event: tick\ndata: {'x' * BIG}\n\n"
            self.left.set()
        else:
            for number in range(5):
                yield f'event: tick\ndata: {{"n": {number}}}\n\n'


@pytest.fixture
def site() -> Iterator[tuple[str, Site]]:
    made = Site()
    with serving(made) as url:
        yield url, made


@pytest.fixture
async def user(site: tuple[str, Site]) -> Any:
    async with User.once(site[0]) as made:
        yield made


async def test_a_stream_read_whole_says_what_it_was(user: User) -> None:
    answer = await user.get("/ticks", stream="sse")

    assert answer.stream is not None
    assert (answer.status, answer.stream.events, len(answer.stream.gaps_ns)) == (200, 5, 4)
    assert 0 < (answer.stream.first_ns or 0) <= answer.stream.total_ns == answer.elapsed_ns
    assert answer.json() == {"n": 4}
    assert answer.stream.tokens is None
    assert (await user.get("/ticks")).stream is None


async def test_a_models_answer_has_tokens_and_limits(user: User) -> None:
    answer = await user.post("/model", json={}, stream={"kind": "llm", "goodput": {"ttft": "5s"}})

    assert answer.stream is not None
    assert answer.stream.tokens == {"input": 7, "output": 9}
    assert (answer.stream.events, answer.stream.good) == (4, True)
    assert answer.stream.ttft_ns == answer.stream.first_ns


async def test_events_come_one_by_one_with_their_times(user: User) -> None:
    async with user.stream("GET", "/ticks") as stream:
        assert stream.status == 200
        events = [event async for event in stream]

    assert [event.json()["n"] for event in events] == [0, 1, 2, 3, 4]
    assert {event.name for event in events} == {"tick"}
    assert stream.totals is not None
    assert stream.totals.first_ns == events[0].elapsed_ns
    assert stream.totals.gaps_ns == [
        after.elapsed_ns - before.elapsed_ns for before, after in itertools.pairwise(events)
    ]


async def test_lines_are_events_too(user: User) -> None:
    async with user.stream("GET", "/lines", kind="ndjson") as stream:
        assert [event.json()["n"] async for event in stream] == [1, 2]


async def test_a_stream_left_early_ends_its_connection(user: User, site: tuple[str, Site]) -> None:
    async with user.stream("GET", "/endless") as stream:
        async for event in stream:
            assert event.name == "tick"
            break

    assert await asyncio.to_thread(site[1].left.wait, 5)
    assert stream.totals is not None
    assert stream.totals.events >= 1
    with pytest.raises(RuntimeError, match="opened once"):
        await stream.__aenter__()


async def test_a_scenario_that_is_slow_makes_the_service_wait(user: User, site: tuple[str, Site]) -> None:
    """The service can send no more than the engine keeps and the kernel's buffers take, and goes on when events are taken."""
    async with user.stream("GET", "/endless", timeout="200ms") as stream:
        events = aiter(stream)
        await anext(events)
        before = -1
        while before != site[1].sent:
            before = site[1].sent
            await user.think("100ms")
        assert before < 64 << 20
        for _ in range(before // BIG + 1):
            await anext(events)
        assert site[1].sent > before


async def test_no_success_has_no_events(user: User) -> None:
    async with user.stream("GET", "/busy") as stream:
        assert stream.status == 503
        assert [event async for event in stream] == []
    assert stream.totals is None
    with pytest.raises(ExpectationFailed):
        stream.response.expect(status=200)


async def test_a_stream_that_breaks_off_raises_behind_its_events(user: User) -> None:
    said = []

    async def listen() -> None:
        async with user.stream("POST", "/cut", kind="llm") as stream:
            async for event in stream:
                said.append(event.json())  # noqa: PERF401 - what came before the error

    with pytest.raises(RequestFailed, match="without its last one") as failed:
        await listen()
    assert (failed.value.kind, len(said)) == ("stream", 1)


async def test_what_ends_the_block_ends_the_stream(user: User, site: tuple[str, Site]) -> None:
    with pytest.raises(ZeroDivisionError):
        async with user.stream("GET", "/endless"):
            _ = 1 / 0
    assert await asyncio.to_thread(site[1].left.wait, 5)

    async def listen() -> None:
        async with asyncio.timeout(0.05), user.stream("GET", "/endless") as stream:
            async for _ in stream:
                await asyncio.sleep(0)

    site[1].left.clear()
    with pytest.raises(TimeoutError):
        await listen()
    assert await asyncio.to_thread(site[1].left.wait, 5)


@pytest.mark.parametrize(
    ("stream", "told"),
    [
        ("xml", "one of sse, ndjson, llm"),
        ({"kind": "sse", "goodput": {"ttft": 1}}, "goodput is for kind='llm'"),
        ({"kind": "llm", "goodput": {}}, "ttft, tpot, e2e"),
        ({"kind": "sse", "last": "x"}, "no 'last'"),
        ({"kind": "sse", "age": {"json": "$.a"}}, "age says where"),
        ({"kind": "sse", "age": {"json": "a b", "unit": "s"}}, "not a JSONPath"),
    ],
)
async def test_what_is_no_stream_is_refused(user: User, stream: Any, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        await user.get("/ticks", stream=stream)


async def test_an_http2_stream_is_reset_and_its_connection_goes_on(tmp_path: Path) -> None:
    text = """
        @scenario
        async def some(user):
            async with user.stream("GET", "/some") as stream:
                async for event in stream:
                    if event.text == "5":
                        break
            assert (await user.get("/whole", stream="sse")).stream.events == 40
    """
    events = b"".join(b"data: %d\n\n" % number for number in range(40))
    with http2_site(lambda _: Answer(body=events)) as site:
        url = f"http://127.0.0.1:{site.port}"
        made = plan(tmp_path, text, url, {"users": 1, "count": 5}, http={"version": "2-prior-knowledge"})
        summary = await asyncio.to_thread(run_load, made, MemoryStore())

    assert (summary["failed"], summary["answered"], summary["errors"]) == (0, 10, {})
    assert site.connections == 1


@contextmanager
def counted(server: NullServer) -> Iterator[list[int]]:
    counts = [server.requests]
    yield counts
    counts[0] = server.requests - counts[0]


def test_a_plan_and_a_scenario_count_the_same(server: NullServer, url: str, tmp_path: Path) -> None:
    """The null server's streams, once by each speed, read whole, event by event, and left: the same counts, the same times."""
    load = {"users": 4, "count": 40}
    path = "/events?count=25&every_us=400"
    age = {"json": "$.sent_ns", "unit": "ns"}
    steps = [
        {"get": path, "name": "whole", "stream": {"kind": "sse", "age": age}},
        {"get": path, "name": "each", "stream": "sse"},
    ]
    text = f"""
        @scenario
        async def read(user):
            await user.get({path!r}, name="whole", stream={{"kind": "sse", "age": {json.dumps(age)}}})
            async with user.stream("GET", {path!r}, name="each") as stream:
                assert len([event async for event in stream]) == 25
    """
    stores = MemoryStore(), MemoryStore()
    with counted(server) as declared:
        data = {"target": url, "scenarios": [{"name": "read", "steps": steps}], "load": load, "seed": 1}
        one = run_load(make_plan(data), stores[0])
    with counted(server) as scripted:
        other = run_load(plan(tmp_path, text, url, load, workers=2), stores[1])

    assert one["errors"] == other["errors"] == {}
    for field in ("planned", "started", "answered", "failed", "statuses"):
        assert one[field] == other[field], field
    assert declared == scripted == [80]
    for name in ("load.stream.first", "load.stream.gap", "load.stream.total", "load.stream.age"):
        for step in ("whole", "each"):
            found = [store.histogram(name, labels={"step": step}) for store in stores]
            assert found[0].count == found[1].count, (name, step)
    assert [store.total("load.stream.events") for store in stores] == [2_000, 2_000]
    # A stream of 25 events every 0.4 ms lasts that long, whoever reads it.
    assert min(store.histogram("load.stream.total").min_ns for store in stores) > 9e6


def test_a_run_that_ends_leaves_its_streams(url: str, tmp_path: Path) -> None:
    """What goes on at the end is cut when its grace is over, and the scenario that reads it hears of it."""
    text = f"""
        log = {str(tmp_path / "log")!r}
        @scenario
        async def listen(user):
            try:
                async with user.stream("GET", "/events?count=1000000000&every_us=2000") as stream:
                    async for event in stream:
                        pass
            except RequestFailed as error:
                open(log, "a").write(error.kind)
                raise
    """
    made = plan(tmp_path, text, url, {"users": 3, "for": "200ms"}, grace_ns="100ms")
    store = MemoryStore()
    summary = run_load(made, store)

    assert (summary["planned"], summary["answered"], summary["errors"]) == (3, 0, {"cut": 3})
    assert store.total("load.stream.events") > 100
    assert (tmp_path / "log").read_text() == "cutcutcut"
