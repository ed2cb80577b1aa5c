"""Answers in events from the plan file to the summary, from uvicorn and from a server that counts; and what a plan may not ask."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from load.asgi import serving
from load.http2_site import Answer, http2_site
from scaleworthy._native import NullServer
from scaleworthy.errors import InvalidInput
from scaleworthy.load import make_plan, run_load, summarize, summary_text
from scaleworthy.series import MemoryStore

WORDS = 5
WORD_S = 0.01
"""How long the model thinks about a word: what its clients must see at the least, on however busy a machine."""


async def model(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Answer as a chat model does: a role, words WORD_S apart, usage, the end; or the same as JSON lines."""
    assert scope["type"] == "http"
    await receive()

    async def say(text: str, *, more: bool = True) -> None:
        await send({"type": "http.response.body", "body": text.encode(), "more_body": more})

    lines = scope["path"] == "/api/chat"
    kind = b"application/x-ndjson" if lines else b"text/event-stream"
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", kind)]})
    if lines:
        for _ in range(WORDS):
            await say(json.dumps({"message": {"content": "w"}, "done": False}) + "\n")
        await say(json.dumps({"done": True, "prompt_eval_count": 3, "eval_count": WORDS}) + "\n", more=False)
        return
    await say('data: {"choices":[{"delta":{"role":"assistant","content":""}}]}\n\n')
    for _ in range(WORDS):
        await asyncio.sleep(WORD_S)
        await say('data: {"choices":[{"delta":{"content":"w"}}]}\n\n')
    await say('data: {"choices":[],"usage":{"prompt_tokens":7,"completion_tokens":9}}\n\n')
    await say("data: [DONE]\n\n", more=False)


def plan_data(url: str, steps: list[dict[str, Any]], *, count: int = 6) -> dict[str, Any]:
    return {"target": url, "scenarios": [{"name": "main", "steps": steps}], "load": {"users": 2, "count": count}}


def test_a_models_answers_are_timed_counted_and_judged() -> None:
    goodput = {"ttft": "5s", "tpot": "5s"}
    steps = [
        {"post": "/v1/chat", "json": {"stream": True}, "stream": {"kind": "llm", "goodput": goodput}, "name": "chat"},
        {"post": "/api/chat", "json": {}, "stream": "llm", "name": "lines"},
    ]
    store = MemoryStore()
    with serving(model) as url:
        summary = run_load(make_plan(plan_data(url, steps)), store)

    assert summary["failed"] == 0, summary["errors"]
    part = summary["streams"]["llm"]
    assert part["tokens"] == {"input": 6 * (7 + 3), "output": 6 * (9 + WORDS)}
    assert part["good"] == 6
    chat = {"step": "chat"}
    # The first word comes WORD_S after the role, which is no word.
    assert store.histogram("load.stream.ttft", labels=chat).min_ns > WORD_S * 0.9e9
    assert store.histogram("load.stream.ttft", labels=chat).count == 6
    assert store.histogram("load.stream.itl", labels=chat).count == 6 * (WORDS - 1)
    # Over the eight tokens behind the first, whatever the gaps were.
    gaps, per_token = (store.histogram(f"load.stream.{name}", labels=chat) for name in ("itl", "tpot"))
    assert per_token.sum_ns * (9 - 1) == pytest.approx(gaps.sum_ns, rel=0.002)
    assert store.total("load.stream.events", labels={"step": "lines"}) == 6 * (WORDS + 1)
    text = summary_text(summarize(store), store)
    assert "tokens        input 60   output 84" in text
    assert "TTFT ms       p50" in text
    assert "good answers  6" in text


def test_counts_and_ages_agree_with_the_server(server: NullServer, url: str) -> None:
    """The server writes its time into each event: none arrives before it was written."""
    stream = {"kind": "sse", "events_min": 50, "age": {"json": "$.sent_ns", "unit": "ns"}}
    step = {"get": "/events?count=50&every_us=1000", "stream": stream | {"last": {"contains": "sent_ns"}}}
    store = MemoryStore()
    summary = run_load(make_plan(plan_data(url, [step], count=8)), store)

    assert (summary["failed"], summary["answered"], server.requests) == (0, 8, 8), summary["errors"]
    ages = store.histogram("load.stream.age")
    assert summary["streams"]["events"] == ages.count == 400
    assert store.histogram("load.stream.gap").count == 8 * 49
    assert ages.max_ns < 5e9
    assert store.histogram("load.stream.total").min_ns > 49e6
    assert "event age ms" in summary_text(summarize(store), store)


def test_an_endless_stream_is_left_when_its_time_is_over(url: str) -> None:
    step = {"get": "/events?count=1000000000&every_us=1000", "stream": {"kind": "sse", "for": "100ms"}}
    summary = run_load(make_plan(plan_data(url, [step], count=4)), MemoryStore())

    assert (summary["failed"], summary["answered"]) == (0, 4), summary["errors"]
    assert summary["streams"]["events"] > 100


def test_every_mistake_is_named_with_its_place() -> None:
    steps: list[Any] = [
        {"get": "/", "stream": "xml"},
        {"get": "/", "stream": {"kind": "sse", "goodput": {"ttft": "1s"}}},
        {"get": "/", "stream": {"kind": "llm", "goodput": {}}},
        {"get": "/", "stream": {"kind": "sse", "events_min": 5, "events_max": 4}},
        {"get": "/", "stream": {"kind": "sse", "any": {}}},
        {"get": "/", "stream": "sse", "expect": {"contains": "x"}},
        {"get": "/", "stream": {"kind": "sse", "for": 3}},
    ]
    with pytest.raises(InvalidInput) as refused:
        make_plan(plan_data("http://127.0.0.1:1", steps))
    text = "\n".join(refused.value.problems)
    for wanted in (
        "steps[0].stream.kind: must be one of sse, ndjson, llm",
        "steps[1].stream: goodput is for kind: llm",
        "steps[2].stream.goodput: needs at least one of ttft, tpot, e2e",
        "steps[3].stream: events_min must not be above events_max",
        "steps[4].stream.any[0]: needs contains, matches or json",
        "steps[5]: the body of a stream is not kept",
        "steps[6].stream.for: must be a duration",
    ):
        assert wanted in text, f"{wanted}\nin\n{text}"


def test_streams_come_over_http2_too_and_are_left_when_enough_has_come() -> None:
    """The server sees one reset for each answer that was left, and the connection goes on."""
    events = b"".join(b"data: %d\n\n" % number for number in range(40))
    with http2_site(lambda _: Answer(body=events)) as site:
        http = {"http": {"version": "2-prior-knowledge"}}
        whole = {"get": "/all", "stream": {"kind": "sse", "events_min": 40, "last": {"contains": "39"}}}
        data = plan_data(f"http://127.0.0.1:{site.port}", [whole], count=10)
        summary = run_load(make_plan(data | http), MemoryStore())
        assert (summary["failed"], summary["answered"]) == (0, 10), summary["errors"]
        assert summary["streams"]["events"] == 400
        assert summary["streams"]["gap_ms"]["max"] is not None

        lacking = {"get": "/all", "stream": {"kind": "sse", "events_min": 41}}
        data = plan_data(f"http://127.0.0.1:{site.port}", [lacking], count=2)
        assert run_load(make_plan(data | http), MemoryStore())["errors"] == {"expect-body": 2}

        connections = site.connections
        some = {"get": "/some", "stream": {"kind": "sse", "events_max": 5}}
        data = plan_data(f"http://127.0.0.1:{site.port}", [some], count=6)
        summary = run_load(make_plan(data | http), MemoryStore())
        assert (summary["failed"], summary["answered"]) == (0, 6), summary["errors"]
        assert summary["streams"]["events"] == 30
        assert site.connections == connections + 1
