"""Manners that change answers: tags and 304, compression, sensitive fields, Cache-Control."""

from __future__ import annotations

import json
from typing import Any

import cramjam
import pytest

from runtime.http.asking import App, ask
from scaleworthy.runtime.http import CacheControl, Compression, ETag, Redaction, Stack

LEADS = [{"id": number, "name": "Ann", "phone": "+15550100", "token": "t"} for number in range(50)]
PLAIN = json.dumps(LEADS).encode()


async def test_a_client_that_has_the_answer_is_told_so() -> None:
    app = App(LEADS, headers={"set-cookie": "a=b", "x-other": "1"})
    tagged = ETag().wrap(app)
    first = await ask(tagged)
    assert (first.status, first.body) == (200, PLAIN)
    tag = first["etag"]
    assert tag is not None
    for wanted in (tag, tag.removeprefix("W/"), f'"x", {tag}', "*"):
        again = await ask(tagged, if_none_match=wanted)
        assert (again.status, again.body, again["etag"], again["set-cookie"]) == (304, b"", tag, "a=b")
        assert (again["x-other"], again["content-length"], again["content-type"]) == (None, None, None)
    app.body += b" "
    assert (await ask(tagged, if_none_match=tag)).status == 200


@pytest.mark.parametrize("app", [App(status=404), App(pieces=[b"[", b"]"], kind="text/plain")])
async def test_errors_and_streams_have_no_tag(app: App) -> None:
    told = await ask(ETag().wrap(app), if_none_match="*")
    assert (told.status, told["etag"]) == (app.status, None)


async def test_a_tag_of_the_application_stays() -> None:
    tagged = ETag().wrap(App(headers={"etag": '"mine"'}))
    assert (await ask(tagged))["etag"] == '"mine"'
    assert (await ask(tagged, if_none_match='W/"mine"')).status == 304


UNPACK: dict[str, Any] = {"zstd": cramjam.zstd, "br": cramjam.brotli, "gzip": cramjam.gzip}


@pytest.mark.parametrize(
    ("accepted", "chosen"),
    [
        ("gzip, deflate, br, zstd", "zstd"),
        ("gzip, br", "br"),
        ("gzip", "gzip"),
        ("zstd;q=0.1, gzip;q=0.9", "gzip"),
        ("*", "zstd"),
        ("*;q=0.5, zstd;q=0", "br"),
        ("GZIP", "gzip"),
        ("deflate", None),
        ("identity, gzip;q=0.5", None),
        ("gzip;q=0", None),
        ("gzip;q=soon", None),
        (",,;", None),
        ("x-gzip", "gzip"),
        ("gzip;q=nan, br;q=0.001", "br"),
        ("gzip;q=1e3", None),
        ("gzip ; q=1.000, zstd;q=1.001", "gzip"),
    ],
)
async def test_the_client_gets_what_it_likes_best(accepted: str, chosen: str | None) -> None:
    told = await ask(Compression().wrap(App(LEADS)), accept_encoding=accepted)
    assert (told["content-encoding"], told["vary"]) == (chosen, "accept-encoding")
    assert told["content-length"] == str(len(told.body))
    assert (bytes(UNPACK[chosen].decompress(told.body)) if chosen else told.body) == PLAIN


@pytest.mark.parametrize(
    "app",
    [
        App(b"x" * 1023, kind="text/plain"),
        App(b"x" * 5000, kind="image/png"),
        App(b"x" * 5000, kind="text/plain", headers={"content-encoding": "br"}),
        App(b"x" * 5000, kind="text/plain", headers={"cache-control": "no-transform"}),
        App(b"x" * 5000, kind="text/plain", status=206),
        App(pieces=[b"x" * 5000], kind="text/plain"),
    ],
)
async def test_what_would_not_pay_or_must_not_is_sent_as_it_is(app: App) -> None:
    told = await ask(Compression().wrap(app), accept_encoding="zstd")
    assert told["content-encoding"] == app.headers.get("content-encoding")
    assert told.body == (b"".join(app.pieces) if app.pieces else app.body)


async def test_sensitive_fields_are_removed_however_deep() -> None:
    app = App({"user": {"Password": "x", "keys": [{"api_key": 1, "id": 2}]}, "secret": {"a": 1}})
    told = await ask(Redaction(pass_paths=["/login"]).wrap(app))
    assert json.loads(told.body) == {"user": {"keys": [{"id": 2}]}}
    assert told["content-length"] == str(len(told.body))
    assert b"Password" in (await ask(Redaction(pass_paths=["/login"]).wrap(app), "/login")).body


async def test_json_that_cannot_be_read_is_not_sent() -> None:
    told = await ask(Redaction().wrap(App(b'{"password": "x"')))
    assert told.status == 500
    assert b'"x"' not in told.body
    assert b"at byte 16" in told.body
    assert (await ask(Redaction().wrap(App(b"{password", kind="text/plain")))).body == b"{password"


async def test_an_application_that_writes_names_its_own_way_and_sends_a_view_of_a_buffer_is_understood() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        headers = [(b"Content-Type", b"application/json"), (b"Content-Length", b"9999"), (b"ETag", b'"mine"')]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": memoryview(PLAIN)})

    manners = Stack(app, [Compression(), ETag(), Redaction(), CacheControl()])
    told = await ask(manners, accept_encoding="zstd")
    assert (told["etag"], told["content-length"]) == ('W/"mine"', str(len(told.body)))
    assert "token" not in json.loads(cramjam.zstd.decompress(told.body).read())[0]
    assert (await ask(manners, if_none_match='"mine"')).status == 304


async def test_cache_control_is_said_where_the_application_does_not() -> None:
    manner = CacheControl(prefixes={"/api/": "private, max-age=5", "/api/static/": "public, max-age=3600"})
    assert (await ask(manner.wrap(App())))["cache-control"] == "private, max-age=5"
    assert (await ask(manner.wrap(App()), "/api/static/a.js"))["cache-control"] == "public, max-age=3600"
    assert (await ask(manner.wrap(App()), "/other"))["cache-control"] == "private, no-cache"
    assert (await ask(manner.wrap(App(status=404))))["cache-control"] == "no-store"
    assert (await ask(manner.wrap(App(pieces=[b"a"]))))["cache-control"] == "private, max-age=5"
    assert (await ask(manner.wrap(App()), method="POST"))["cache-control"] is None
    assert (await ask(manner.wrap(App(headers={"cache-control": "no-store"}))))["cache-control"] == "no-store"


async def test_all_in_one_pass_tag_what_was_redacted_and_compress_last() -> None:
    app = Stack(App(LEADS), [Compression(), ETag(), Redaction(), CacheControl()])
    plain = await ask(app)
    packed = await ask(app, accept_encoding="br")
    assert b"token" not in plain.body
    assert bytes(cramjam.brotli.decompress(packed.body)) == plain.body
    assert packed["etag"] == plain["etag"]
    again = await ask(app, accept_encoding="br", if_none_match=plain["etag"] or "")
    assert (again.status, again.body) == (304, b"")


async def test_what_a_middleware_cut_up_is_put_together() -> None:
    """Starlette's BaseHTTPMiddleware sends every answer in pieces, with the length of the whole."""
    app = App(pieces=[PLAIN[:1000], PLAIN[1000:]], headers={"content-length": str(len(PLAIN))})
    told = await ask(Stack(app, [Compression(), ETag()]), accept_encoding="zstd")
    assert (told["content-encoding"], len(told.pieces)) == ("zstd", 1)
    assert bytes(cramjam.zstd.decompress(told.body)) == PLAIN
    assert told["etag"] is not None
    partial = App(status=206, pieces=[b"a", b"b"], headers={"content-length": "2"})
    assert (await ask(Stack(partial, [Compression(), ETag()]))).pieces == [b"a", b"b", b""]
    lying = App(pieces=[b"ab", b"cd"], headers={"content-length": "3"}, kind="text/plain")
    assert (await ask(Stack(lying, [ETag()]))).body == b"abcd"


async def test_json_in_pieces_is_looked_at_too_and_what_is_too_long_for_that_is_not_sent() -> None:
    app = App(pieces=[b'{"pass', b'word": 1, "a"', b": 2}"])
    assert (await ask(Redaction().wrap(app))).body == b'{"a": 2}'
    told = await ask(Redaction(most_bytes=10).wrap(app))
    assert (told.status, b"password" in told.body) == (500, False)
    events = App(pieces=[b'data: {"password": 1}', b"data: 2"], kind="text/event-stream")
    assert (await ask(Redaction().wrap(events))).pieces == [b'data: {"password": 1}', b"data: 2", b""]


async def test_a_304_varies_as_the_answer_would() -> None:
    app = Stack(App(LEADS), [Compression(), ETag()])
    tag = (await ask(app))["etag"] or ""
    again = await ask(app, if_none_match=tag)
    assert (again.status, again["vary"]) == (304, "accept-encoding")


async def test_a_HEAD_says_no_length_that_a_GET_would_not_be_answered_with() -> None:  # noqa: N802
    app = App(b"", headers={"content-length": "5000"})
    app.pieces = [b""]
    plain = await ask(Compression().wrap(app), method="HEAD")
    assert (plain["content-length"], plain["vary"]) == ("5000", "accept-encoding")
    assert (await ask(Compression().wrap(app), method="HEAD", accept_encoding="br"))["content-length"] is None
    assert (await ask(Redaction().wrap(app), method="HEAD"))["content-length"] is None


async def test_a_stream_is_passed_on_piece_by_piece() -> None:
    app = Stack(App(pieces=[b"a", b"b"], kind="text/event-stream"), [Compression(), ETag(), Redaction()])
    told = await ask(app, accept_encoding="zstd")
    assert told.pieces == [b"a", b"b", b""]


async def test_the_head_of_a_HEAD_is_what_the_application_says() -> None:  # noqa: N802
    app = Stack(App(b"", headers={"x-length": "5"}), [Compression(), ETag()])
    told = await ask(app, method="HEAD")
    assert (told.status, told["x-length"], told["etag"]) == (200, "5", None)
