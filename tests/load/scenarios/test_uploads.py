"""Bodies in pieces, from Python scenarios: each kind of source, over HTTP/1.1 and HTTP/2, slow services, early answers, errors."""

from __future__ import annotations

import asyncio
import hashlib
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from load.asgi import serving
from load.http2_site import http2_site
from load.scenarios.test_runs import plan
from scaleworthy.load import RequestFailed, User, run_load
from scaleworthy.series import MemoryStore

PIECE = b"0123456789abcdef" * 4_096


class Site:
    """Takes uploads; `/held` reads only when it is told to, `/full` answers without reading."""

    def __init__(self) -> None:
        self.released = threading.Event()
        self.heard: list[dict[str, Any]] = []

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        if scope["path"] == "/held":
            await asyncio.to_thread(self.released.wait, 10)
        taken, digest, status = 0, hashlib.sha256(), 413 if scope["path"] == "/full" else 200
        while status == 200:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            taken += len(message["body"])
            digest.update(message["body"])
            if not message["more_body"]:
                break
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        self.heard.append({"bytes": taken, "sha256": digest.hexdigest(), "headers": headers, "method": scope["method"]})
        await send({"type": "http.response.start", "status": status, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"ok"})


@pytest.fixture
def site() -> Iterator[tuple[str, Site]]:
    made = Site()
    with serving(made) as url:
        yield url, made
        made.released.set()


@pytest.fixture
async def user(site: tuple[str, Site]) -> AsyncIterator[User]:
    async with User.once(site[0]) as made:
        yield made


async def pieces(count: int, *, made: list[int] | None = None) -> AsyncIterator[bytes]:
    for _ in range(count):
        if made is not None:
            made.append(len(PIECE))
        yield PIECE


async def test_each_source_of_pieces_arrives_whole(user: User, site: tuple[str, Site], tmp_path: Path) -> None:
    path = tmp_path / "picture.png"
    path.write_bytes(PIECE * 3 + b"end")
    with path.open("rb") as file:
        file.seek(len(PIECE))
        sources: list[tuple[Any, bytes, str | None]] = [
            (pieces(50), PIECE * 50, None),
            (iter([b"a", b"", PIECE * 2, b"b"]), b"a" + PIECE * 2 + b"b", None),
            (iter([]), b"", None),
            (path, PIECE * 3 + b"end", str(len(PIECE) * 3 + 3)),
            (file, PIECE * 2 + b"end", str(len(PIECE) * 2 + 3)),
        ]
        for source, _, _ in sources:
            assert (await user.put("/", body=source)).status == 200

    for heard, (_, wanted, length) in zip(site[1].heard, sources, strict=True):
        assert heard["sha256"] == hashlib.sha256(wanted).hexdigest()
        assert heard["headers"].get("content-length") == length
        assert heard["headers"].get("transfer-encoding") == (None if length else "chunked")
    assert [heard["headers"]["content-type"] for heard in site[1].heard[2:4]] == [
        "application/octet-stream",
        "image/png",
    ]


async def test_a_service_that_is_slow_holds_the_pieces_back(user: User, site: tuple[str, Site]) -> None:
    """No more is made than the kernel's buffers take, and a body that stands still is a timeout."""
    made: list[int] = []
    asked = user.post("/held", body=pieces(10_000, made=made), timeout="300ms")
    with pytest.raises(RequestFailed) as failed:
        await asked
    assert failed.value.kind == "timeout"
    assert 0 < sum(made) < 64 << 20


async def test_time_the_scenario_takes_is_not_the_services(user: User) -> None:
    async def slow() -> AsyncIterator[bytes]:
        for _ in range(4):
            await user.think("60ms")
            yield b"x"

    assert (await user.post("/", body=slow(), timeout="200ms")).status == 200


async def test_an_answer_before_the_end_of_the_body_is_the_answer(user: User, site: tuple[str, Site]) -> None:
    made: list[int] = []
    answer = await user.post("/full", body=pieces(10_000, made=made))

    answer.expect(status=413)
    assert len(made) < 10_000
    assert (await user.post("/", body=pieces(1))).status == 200


async def test_an_error_in_the_source_is_raised_where_the_answer_is_awaited(user: User) -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield b"x"
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await user.post("/", body=broken())
    with pytest.raises(TypeError, match="made of bytes, got str"):
        await user.post("/", body=iter(["text"]))
    with pytest.raises(TypeError, match="one body, got json and body"):
        await user.post("/", json={}, body=iter([b""]))
    with pytest.raises(FileNotFoundError):
        await user.post("/", body=Path("none"))


async def test_several_uploads_at_once(user: User, site: tuple[str, Site]) -> None:
    answers = await user.gather(*(user.post("/", body=pieces(20)) for _ in range(5)))

    assert [answer.status for answer in answers] == [200] * 5
    assert {heard["bytes"] for heard in site[1].heard} == {20 * len(PIECE)}


def test_http2_bodies_go_as_the_windows_open(tmp_path: Path) -> None:
    """The server opens windows of 64 KiB: bodies of 1 MiB arrive whole, several at once, on one connection."""
    text = """
        async def pieces(user):
            for number in range(16):
                yield bytes([number]) * 65_536
        @scenario
        async def send(user):
            answers = await user.gather(*(user.post("/up", body=pieces(user)) for _ in range(3)))
            assert [answer.status for answer in answers] == [200] * 3
            await user.post("/none", body=iter([]))
    """
    with http2_site() as site:
        made = plan(
            tmp_path,
            text,
            f"http://127.0.0.1:{site.port}",
            {"users": 1, "count": 2},
            http={"version": "2-prior-knowledge"},
        )
        summary = run_load(made, MemoryStore())

    assert (summary["answered"], summary["failed"], summary["errors"]) == (8, 0, {})
    wanted = b"".join(bytes([number]) * 65_536 for number in range(16))
    bodies = [bytes(asked.body) for asked in site.requests if asked.headers[":path"] == "/up"]
    assert bodies == [wanted] * 6
    assert site.connections == 1


def test_uploads_are_counted_and_shared_by_workers(site: tuple[str, Site], tmp_path: Path) -> None:
    text = """
        @scenario
        async def send(user):
            await user.post("/up", body=(b"x" * 1_000 for _ in range(10)), name="up")
    """
    store = MemoryStore()
    summary = run_load(plan(tmp_path, text, site[0], {"users": 4, "count": 20}, workers=2), store)

    assert (summary["answered"], summary["failed"]) == (20, 0)
    assert [heard["bytes"] for heard in site[1].heard] == [10_000] * 20
    assert store.total("load.bytes_sent") > 20 * 10_000
