"""A client's position goes with its answers and comes with its requests; what is forged or broken counts for nothing."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from scaleworthy.runtime.database import ReadYourWrites, SharedSessions
from scaleworthy.runtime.lsn import Session, session


class Seen:
    """An application that notes the position its request must see, and commits where it is told to."""

    def __init__(self) -> None:
        self.positions: list[int] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            assert session.get() is None
            return
        caller = session.get()
        assert caller is not None
        self.positions.append(caller.position)
        if scope["method"] == "POST":
            caller.raise_to(int(scope["path"][1:]))
        await send({"type": "http.response.start", "status": 200, "headers": [(b"set-cookie", b"theirs=1")]})
        await send({"type": "http.response.body", "body": b"ok"})


async def ask(app: ReadYourWrites, method: str, path: str = "/", **headers: str) -> httpx.Headers:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return (await client.request(method, path, headers=named)).headers


@pytest.mark.parametrize("secret", [None, "a secret"])
async def test_what_a_client_wrote_its_next_request_knows(secret: str | None) -> None:
    seen = Seen()
    app = ReadYourWrites(seen, secret=secret)
    told = await ask(app, "POST", "/5000000000")
    token = told["x-read-position"]
    cookie = told.get_list("set-cookie")[1]
    assert told.get_list("set-cookie")[0] == "theirs=1"
    assert cookie == f"read_position={token}; Path=/; Max-Age=86400; HttpOnly; SameSite=Lax"
    await ask(app, "GET", x_read_position=token)
    await ask(app, "GET", cookie=f"a=b; read_position={token}; c=d")
    older = app.token(7)
    await ask(app, "GET", x_read_position=older, cookie=f"read_position={token}")
    assert seen.positions == [0, 5_000_000_000, 5_000_000_000, 5_000_000_000]
    assert session.get() is None, "nothing is left in the context"


async def test_who_only_reads_is_told_nothing() -> None:
    app = ReadYourWrites(Seen())
    assert "x-read-position" not in await ask(app, "GET", x_read_position="0/10")


@pytest.mark.parametrize(
    "token", ["", "0", "0/", "/0", "x/y", "0/1" + "0" * 100, "1/2.3", "0/-1", "0/1_0", " 0/1", "0/1;0/2", "FFFFFFFFF/0"]
)
async def test_what_is_no_position_counts_for_nothing(token: str) -> None:
    seen = Seen()
    app = ReadYourWrites(seen, secret="a secret")
    await ask(app, "GET", x_read_position=token)
    await ask(app, "GET", cookie=f"read_position={token}")
    assert seen.positions == [0, 0]
    assert ReadYourWrites(seen).position(f"ké{token}") == 0


def test_a_signed_token_is_taken_from_its_own_secret_alone() -> None:
    ours, theirs = ReadYourWrites(Seen(), secret="a"), ReadYourWrites(Seen(), secret="b")
    token = ours.token(99)
    assert ours.position(token) == 99
    assert theirs.position(token) == 0
    assert ours.position("FFFFFFFF/FFFFFFFF") == 0
    assert ours.position(token.replace("63", "64")) == 0


async def test_over_tls_the_cookie_is_for_tls_alone_and_either_way_may_be_left_out() -> None:
    app = ReadYourWrites(Seen(), header=None)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="https://test") as client:
        headers = (await client.post("/16")).headers
    assert headers.get_list("set-cookie")[1].endswith("; Secure")
    assert "x-read-position" not in headers
    told = await ask(ReadYourWrites(Seen(), cookie=None), "POST", "/16")
    assert told.get_list("set-cookie") == ["theirs=1"]


def test_what_one_client_of_a_tenant_wrote_the_others_must_see() -> None:
    shared = SharedSessions(most=2)
    session.set(first := Session())
    shared.enter("a").require(100)
    session.set(second := Session(5))
    shared.enter("a")
    assert (first.position, second.position, second.committed) == (0, 100, 0)
    session.set(None)
    assert shared.enter("b") is session.get()
    session.set(None)
    shared.enter("c")
    session.set(third := Session())
    shared.enter("a")
    assert third.position == 0, "of more than two the oldest is forgotten"
    session.set(None)
