"""What a user asks is what the server hears, and what it answers is what the scenario sees."""

from __future__ import annotations

import asyncio
import contextvars
from pathlib import Path
from typing import Any

import pytest

from load.scenarios.conftest import Server
from load.scenarios.echo import echo_server
from scaleworthy.load import ExpectationFailed, RequestFailed, User


@pytest.mark.parametrize("method", ["get", "options", "post", "put", "patch", "delete"])
async def test_each_verb_sends_its_method(user: User, method: str) -> None:
    answer = await getattr(user, method)("/a")

    assert answer.status == 200
    assert answer.json()["method"] == method.upper()


async def test_head_has_headers_and_no_body(user: User) -> None:
    answer = await user.head("/a")

    assert (answer.status, answer.content) == (200, b"")
    assert int(answer.headers["content-length"]) > 0


@pytest.mark.parametrize(
    ("options", "body", "content_type"),
    [
        ({"json": {"ä": [1, None]}}, '{"ä":[1,null]}', "application/json"),
        ({"form": {"a": "1 2", "b": [3, 4]}}, "a=1+2&b=3&b=4", "application/x-www-form-urlencoded"),
        ({"body": "text"}, "text", "text/plain; charset=utf-8"),
        ({"body": b"\x01"}, "\x01", "application/octet-stream"),
        ({"body": "<a/>", "headers": {"Content-Type": "text/xml"}}, "<a/>", "text/xml"),
    ],
)
async def test_a_body_carries_its_type(user: User, options: Any, body: str, content_type: str) -> None:
    heard = (await user.post("/a", **options)).json()

    assert heard["body"] == body
    assert heard["headers"]["content-type"] == content_type
    assert heard["headers"]["content-length"] == str(len(body.encode()))


async def test_multipart_names_its_parts_and_files(user: User, tmp_path: Path) -> None:
    picture = tmp_path / "a.png"
    picture.write_bytes(b"PNG")
    heard = (await user.post("/a", multipart={"n": "1", "p": picture, "q": ("b.txt", "hi", "text/x")})).json()

    assert heard["headers"]["content-type"].startswith("multipart/form-data; boundary=")
    for part in (
        'name="n"\r\n\r\n1\r\n',
        'name="p"; filename="a.png"\r\nContent-Type: image/png\r\n\r\nPNG\r\n',
        'filename="b.txt"\r\nContent-Type: text/x\r\n\r\nhi\r\n',
    ):
        assert part in heard["body"]


async def test_query_headers_and_auth(user: User) -> None:
    user.headers["x-user"] = "u"
    heard = (await user.get("/a?z=0", params={"q": "a b", "n": [1, 2]}, headers={"X-Own": "o"}, auth=("u", "p"))).json()

    assert heard["query"] == {"z": ["0"], "q": ["a b"], "n": ["1", "2"]}
    assert heard["headers"]["x-own"] == "o"
    assert heard["headers"]["x-user"] == "u"
    assert heard["headers"]["authorization"] == "Basic dTpw"
    assert (await user.get("/a", auth="token")).json()["headers"]["authorization"] == "Bearer token"


async def test_cookies_of_a_redirect_go_along_and_are_kept(user: User) -> None:
    """As after a login: the cookie is set by the redirect; a newer one takes the place of the one that was sent."""
    await user.get("/a?cookie=sid%3D0%3B+Path%3D/&cookie=other%3D1%3B+Path%3D/")
    home = await user.post("/login?status=303&to=/home&cookie=sid%3D1%3B+Path%3D/", json={})

    assert (home.json()["method"], home.json()["path"]) == ("GET", "/home")
    assert sorted(home.json()["headers"]["cookie"].split("; ")) == ["other=1", "sid=1"]
    assert sorted((await user.get("/b")).json()["headers"]["cookie"].split("; ")) == ["other=1", "sid=1"]


async def test_cookies_go_back_to_the_origin_that_set_them(user: User) -> None:
    with echo_server() as (other, heard, _):
        await user.get("/a?cookie=sid%3Dtarget")
        await user.get(f"{other}/a?cookie=sid%3Dother")
        await user.get("/b")
        await user.get(f"{other}/b")
        away = await user.get(f"/a?status=302&cookie=hop%3D1&to={other}/c")

        assert (await user.get("/d")).json()["headers"]["cookie"] == "sid=target; hop=1"
        assert (await user.get(f"{other}/d")).json()["headers"]["cookie"] == "sid=other"
        assert "cookie" not in away.json()["headers"]
        assert [one["headers"].get("cookie") for one in heard] == [None, "sid=other", None, "sid=other"]


async def test_cookies_are_kept_sent_and_forgotten(user: User) -> None:
    await user.get("/login?cookie=sid%3D1%3B+Path%3D/&cookie=deep%3D2%3B+Path%3D/deep")
    assert (await user.get("/a")).json()["headers"]["cookie"] == "sid=1"
    assert (await user.get("/deep/x", cookies={"own": "3"})).json()["headers"]["cookie"] == "own=3; deep=2; sid=1"

    await user.get("/logout?cookie=sid%3D%3B+Path%3D/%3B+Max-Age%3D0")
    assert "cookie" not in (await user.get("/a")).json()["headers"]


async def test_redirects_are_followed_unless_told_not_to(user: User) -> None:
    assert (await user.get("/old?status=302&to=/new")).json()["path"] == "/new"
    assert (await user.get("/old?status=302&to=/new", follow_redirects=False)).status == 302
    turned = (await user.post("/form?status=303&to=/done", json={"a": 1})).json()
    assert (turned["method"], turned["body"]) == ("GET", "")


async def test_a_request_in_time_or_a_failure(user: User) -> None:
    with pytest.raises(RequestFailed, match="no complete answer within 50 ms") as raised:
        await user.get("/held", timeout="50ms")

    assert raised.value.kind == "timeout"
    assert (await user.get("/a")).status == 200


@pytest.mark.parametrize(
    ("options", "wanted"),
    [
        ({"path": "a"}, "begins with '/'"),
        ({"path": "ftp://elsewhere.test/a"}, "not an http or https URL"),
        ({"path": "/a", "headers": {"content-length": "3"}}, "set by the engine"),
        ({"path": "/a", "headers": {"x": "a\r\nb"}}, "line break"),
        ({"path": "/a", "timeout": "soon"}, "must be a time"),
    ],
)
async def test_what_cannot_be_sent_is_said(user: User, options: Any, wanted: str) -> None:
    with pytest.raises(ValueError, match=wanted):
        await user.get(**options)


async def test_a_whole_url_of_the_target_is_a_path(user: User, echo: Server) -> None:
    assert (await user.get(f"{echo.url}/a?b=1")).json()["path"] == "/a"


@pytest.mark.parametrize(
    "expected",
    [
        {"status": 200},
        {"status": "2xx"},
        {"status": (200, 201)},
        {"contains": '"/a"'},
        {"matches": r'"path": "/\w"'},
        {"json": {"$.path": "/a", "$.headers": None, "$.query.n[0]": "1"}},
        {"header": "content-type"},
        {"header": {"Content-Type": "json"}},
    ],
)
async def test_expectations_that_hold(user: User, expected: Any) -> None:
    answer = await user.get("/a?n=1")

    assert answer.expect(**expected) is answer


@pytest.mark.parametrize(
    ("expected", "kind", "text"),
    [
        ({"status": 201}, "expect-status", "wanted status 201, got 200"),
        ({"status": "4xx"}, "expect-status", "wanted status 4xx, got 200"),
        ({"contains": "nope"}, "expect-body", "wanted a body with 'nope'"),
        ({"matches": "^x"}, "expect-body", "matches '\\^x'"),
        ({"json": {"$.path": "/b"}}, "expect-body", 'wanted "/b" at \\$.path, got "/a"'),
        ({"json": {"$.none": None}}, "expect-body", "wanted a value at \\$.none, got nothing"),
        ({"header": "etag"}, "expect-header", "got no such header"),
        ({"header": {"content-type": "xml"}}, "expect-header", "with 'xml'"),
    ],
)
async def test_expectations_that_break(user: User, expected: Any, kind: str, text: str) -> None:
    with pytest.raises(ExpectationFailed, match=text) as raised:
        (await user.get("/a")).expect(**expected)

    assert raised.value.kind == kind


async def test_many_at_once_come_back_in_order(user: User) -> None:
    answers = await user.gather(*(user.get(f"/{n}") for n in range(20)))

    assert [answer.json()["path"] for answer in answers] == [f"/{n}" for n in range(20)]


async def test_the_tools_of_asyncio_work(user: User) -> None:
    """A request is a future to asyncio: tasks, gather, wait, shield, wait_for and context variables know it."""
    name: contextvars.ContextVar[str] = contextvars.ContextVar("name")

    async def one(path: str) -> tuple[str, str, bool]:
        name.set(path)
        answer = await user.get(path)
        task = asyncio.current_task()
        return answer.json()["path"], name.get(), task is not None and task.get_name() == path

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(one(f"/{n}"), name=f"/{n}") for n in range(5)]
    assert [task.result() for task in tasks] == [(f"/{n}", f"/{n}", True) for n in range(5)]

    first, second = await asyncio.gather(user.get("/a"), user.get("/b"))
    assert (first.json()["path"], second.json()["path"]) == ("/a", "/b")
    done, _ = await asyncio.wait([user.get("/c")])
    assert done.pop().result().status == 200
    assert (await asyncio.wait_for(user.get("/d"), 5)).status == 200
    assert (await asyncio.shield(user.get("/e"))).status == 200


async def test_a_cancelled_request_closes_its_connection_and_the_next_one_works(user: User) -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await user.get("/held")
    held = asyncio.create_task(_get(user, "/held"))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    held.cancel()
    with pytest.raises(asyncio.CancelledError):
        await held

    assert (await user.get("/a")).status == 200


async def _get(user: User, path: str) -> int:
    return (await user.get(path)).status


async def test_thinking_waits_and_can_be_cut_short(user: User) -> None:
    loop = asyncio.get_running_loop()
    before = loop.time()
    assert await user.think("30ms..40ms") is None
    assert loop.time() - before >= 0.03
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.02):
            await user.think(30)


async def test_a_waiter_that_raises_does_not_keep_others_waiting(user: User) -> None:
    """What one call-back raises surfaces; everybody else of the same batch has been told before."""
    heard: list[int] = []
    all_heard = asyncio.Event()

    def bad(_: Any) -> None:
        raise RuntimeError("mine")

    def good(answer: Any) -> None:
        heard.append(answer.result().status)
        if len(heard) == 3:
            all_heard.set()

    trouble: list[Any] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: trouble.append(context["exception"]))
    requests = [user.get(f"/{n}") for n in range(4)]
    for request, waiter in zip(requests, [bad, good, good, good], strict=True):
        request.add_done_callback(waiter)
    await all_heard.wait()
    await user.get("/a")
    loop.set_exception_handler(None)

    assert [str(error) for error in trouble] == ["mine"]


async def test_the_row_and_the_state_are_the_users_own(user: User) -> None:
    user.state["n"] = 1

    assert user.row["phone"] == "+1"
    assert user.state == {"n": 1}
