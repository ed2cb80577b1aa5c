"""One pass: what the application does, and the client does not do, is passed on rightly."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import cramjam
import pytest

from runtime.http.asking import App, Told, ask
from scaleworthy.runtime.http import (
    BodyLimit,
    CacheControl,
    Compression,
    Deadline,
    Draining,
    ETag,
    Manner,
    Metrics,
    Redaction,
    Shedding,
    Stack,
)
from scaleworthy.series.meter import Meter

START = {"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]}


async def test_an_answer_goes_out_before_what_the_application_does_after_it() -> None:
    """A background task of Starlette runs within the application's call: the client need not wait for it."""
    sent, over = asyncio.Event(), asyncio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(START)
        await send({"type": "http.response.body", "body": b"a"})
        sent.set()
        await over.wait()

    told = Told()
    scope = {"type": "http", "method": "GET", "path": "/", "query_string": b"", "headers": []}
    asked = asyncio.create_task(Stack(app, [ETag(), Deadline()])(scope, Told, told.send))  # type: ignore[arg-type]
    await sent.wait()
    assert (told.status, told.body) == (200, b"a")
    assert not asked.done()
    over.set()
    await asked


async def test_what_an_application_answers_before_it_raises_is_sent() -> None:
    """Starlette's ServerErrorMiddleware answers 500, and raises again so that the server writes it down."""
    told = Told()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await App(b'{"error": "internal"}', status=500)(scope, receive, send)
        raise RuntimeError("for the log")

    scope = {"type": "http", "method": "GET", "path": "/", "query_string": b"", "headers": []}
    stack = Stack(app, [CacheControl(), ETag(), Redaction()])
    with pytest.raises(RuntimeError, match="for the log"):
        await stack(scope, Told, told.send)  # type: ignore[arg-type]
    assert (told.status, told.body, told["cache-control"]) == (500, b'{"error": "internal"}', "no-store")
    assert (stack.statistics().requests, stack.statistics().raised) == (1, 1)


@pytest.mark.parametrize("pieces", [[], [b"half"]])
async def test_a_handler_that_raises_after_its_head_leaves_the_rest_to_the_server(pieces: list[bytes]) -> None:
    told, seen = Told(), []

    class Seen(Manner):
        def done(self, request: Any, status: int | None) -> None:
            seen.append(status)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(START)
        for piece in pieces:
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        raise RuntimeError("no")

    scope = {"type": "http", "method": "GET", "path": "/", "query_string": b"", "headers": []}
    with pytest.raises(RuntimeError):
        await Stack(app, [Seen(), ETag(), Compression()])(scope, Told, told.send)  # type: ignore[arg-type]
    assert told.pieces == pieces
    assert seen == ([200] if pieces else [None])


async def test_a_manner_that_fails_at_the_end_keeps_no_other_from_it(caplog: pytest.LogCaptureFixture) -> None:
    def route(request: Any) -> str:
        return {"/known": "known"}[request.path]

    shedding, draining = Shedding(), Draining()
    stack = Stack(App(), [draining, shedding, Metrics(Meter(), route=route)])
    assert (await ask(stack, "/unknown")).status == 200
    assert (shedding.limit.at_work, draining.at_work) == (0, 0)
    assert [record.name for record in caplog.records] == ["scaleworthy.http"]
    assert "KeyError: '/unknown'" in caplog.text


async def test_websockets_and_lifespan_pass_untouched() -> None:
    seen = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append((scope, receive, send))

    for kind in ("websocket", "lifespan"):
        given: Any = ({"type": kind}, object(), object())
        await Stack(app, [ETag(), Deadline()])(*given)
        assert seen.pop() == given


async def test_a_file_sent_by_its_path_keeps_its_head_and_its_message() -> None:
    messages = []

    async def send(message: Any) -> None:
        messages.append(message)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(START)
        await send({"type": "http.response.pathsend", "path": "/a"})

    scope = {"type": "http", "method": "GET", "path": "/", "query_string": b"", "headers": []}
    await Stack(app, [CacheControl(), ETag()])(scope, Told, send)  # type: ignore[arg-type]
    assert [message["type"] for message in messages] == ["http.response.start", "http.response.pathsend"]
    assert (b"cache-control", b"private, no-cache") in messages[0]["headers"]


async def reading(scope: Any, receive: Any, send: Any) -> None:
    body = b""
    while (message := await receive())["type"] == "http.request":
        body += message["body"]
        if not message["more_body"]:
            break
    else:
        raise ConnectionError("the client is gone")
    await App(body, kind="text/plain")(scope, receive, send)


async def post(app: Any, pieces: list[bytes], *, version: str = "1.1", **headers: str) -> tuple[Told, int]:
    told, left = Told(), list(pieces)
    scope = {
        "type": "http",
        "http_version": version,
        "method": "POST",
        "path": "/upload/a",
        "query_string": b"",
        "headers": [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()],
    }

    async def receive() -> Any:
        return {"type": "http.request", "body": left.pop(0), "more_body": bool(left)}

    await app(scope, receive, told.send)
    return told, len(left)


async def test_a_body_that_is_too_large_is_refused_unread() -> None:
    app = BodyLimit(5).wrap(reading)
    assert (await post(app, [b"12345"], content_length="5"))[0].body == b"12345"
    for length, closes, left in (("6", None, 0), ("9" * 5000, "close", 2)):
        told, unread = await post(app, [b"123", b"456"], content_length=length)
        assert (told.status, told["connection"], unread) == (413, closes, left)
    assert b"at most 5 bytes" in told.body
    told, _ = await post(app, [b"123"], version="2", content_length="9" * 9)
    assert (told.status, told["connection"]) == (413, None), "HTTP/2 has no such field"
    longer = BodyLimit(5, prefixes={"/upload/": 6}).wrap(reading)
    assert (await post(longer, [b"123456"], content_length="6"))[0].status == 200


async def test_a_body_of_no_declared_length_is_refused_when_it_is_too_large() -> None:
    app = BodyLimit(5).wrap(reading)
    assert (await post(app, [b"12", b"345"], transfer_encoding="chunked"))[0].body == b"12345"
    told, unread = await post(app, [b"12", b"3456", b"7"], transfer_encoding="chunked")
    assert (told.status, told["connection"], unread) == (413, None, 0)
    told, unread = await post(app, [b"x" * 2**20] * 20, transfer_encoding="chunked")
    assert (told.status, told["connection"]) == (413, "close")
    assert unread > 5


async def test_what_an_application_says_to_half_a_body_is_not_said() -> None:
    async def forgiving(scope: Any, receive: Any, send: Any) -> None:
        while (await receive())["type"] == "http.request":
            pass
        assert (await receive())["type"] == "http.disconnect", "it stays gone"
        await App(status=400)(scope, receive, send)

    told, _ = await post(BodyLimit(5).wrap(forgiving), [b"123456", b"7"], transfer_encoding="chunked")
    assert told.status == 413


async def test_a_refusal_in_words_of_the_applications_own_is_packed_after_it_is_said() -> None:
    words = [{"error": "too large, " * 200}]
    manners = [Compression(least_bytes=1), ETag(), Redaction(), BodyLimit(5)]
    stack = Stack(reading, manners, words=lambda problem: json.dumps([problem.status, *words]).encode())
    told, _ = await post(stack, [b"123456"], content_length="6", accept_encoding="zstd")
    assert (told.status, told["content-encoding"], told["content-type"]) == (413, "zstd", "application/json")
    assert json.loads(cramjam.zstd.decompress(told.body).read()) == [413, *words]

    unread = Stack(App(b"{no"), manners, words=lambda problem: json.dumps([problem.status, *words]).encode())
    broken = await ask(unread, accept_encoding="zstd")
    assert (broken.status, broken["content-type"]) == (500, "application/json")
    assert json.loads(cramjam.zstd.decompress(broken.body).read()) == [500, *words]
