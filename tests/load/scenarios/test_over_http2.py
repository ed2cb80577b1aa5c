"""What goes wrong over HTTP/2 in a Python scenario: the error kinds of a declarative run, and the other streams go on."""

from __future__ import annotations

from pathlib import Path

import pytest

from load.http2_site import Answer, Asked, Goodbye, Reply, Reset, http2_site
from load.scenarios.test_runs import script
from scaleworthy.load import load_plan, make_plan, run_load, start
from scaleworthy.series import MemoryStore

CANCEL, INTERNAL_ERROR, ENHANCE_YOUR_CALM = 8, 2, 11


def plan_text(body: str) -> str:
    return f"""
        settings = Settings(http={{"version": "2-prior-knowledge", "timeout": "20s"}}, workers=1, seed=1)
        @scenario
        async def page(user):
            {body}
    """


def run_once(folder: Path, port: int, body: str, count: int = 1) -> tuple[dict[str, object], MemoryStore]:
    path = script(folder, plan_text(body))
    plan = load_plan(path, target=f"http://127.0.0.1:{port}").changed(load={"users": 1, "count": count})
    store = MemoryStore()
    return run_load(plan, store), store


def test_a_timeout_of_one_request_resets_its_stream_and_no_other(tmp_path: Path) -> None:
    """The slow one is cancelled; those beside and behind it are answered, on the same connection."""
    body = """
            held = user.get("/held", timeout="50ms")
            assert (await user.get("/a")).status == 200
            try:
                await held
            except RequestFailed as failed:
                assert failed.kind == "timeout"
            assert (await user.get("/b", timeout=5)).status == 200
    """
    with http2_site(lambda asked: None if asked.headers[":path"] == "/held" else Answer()) as site:
        summary, store = run_once(tmp_path, site.port, body.strip(), count=3)

    assert (summary["answered"], summary["errors"]) == (6, {"timeout": 3})
    assert "no complete answer within 50 ms" in store.fact("load", "error_examples")["timeout"]
    assert (site.connections, site.resets) == (1, [CANCEL] * 3)


def test_a_request_that_nobody_waits_for_any_more_resets_its_stream(tmp_path: Path) -> None:
    body = """
            import asyncio
            held = asyncio.ensure_future(user.get("/held"))
            await user.get("/a")
            held.cancel()
            assert (await user.get("/b")).status == 200
    """
    with http2_site(lambda asked: None if asked.headers[":path"] == "/held" else Answer()) as site:
        summary, _ = run_once(tmp_path, site.port, body.strip())

    assert (summary["answered"], summary["errors"]) == (2, {"cancelled": 1})
    assert (site.connections, site.resets) == (1, [CANCEL])


@pytest.mark.parametrize(
    ("reply", "kind", "text"),
    [
        (Reset(INTERNAL_ERROR), "reset", "the server reset the stream: INTERNAL_ERROR"),
        (Goodbye(ENHANCE_YOUR_CALM), "goaway", 'GOAWAY ENHANCE_YOUR_CALM "that will do"'),
    ],
    ids=["reset", "goaway"],
)
def test_a_servers_refusals_have_the_names_that_a_plan_file_gives_them(
    tmp_path: Path, reply: Reply, kind: str, text: str
) -> None:
    def answer(asked: Asked) -> Reply:
        return Answer() if asked.headers[":path"] == "/a" else reply

    body = """
            try:
                await user.post("/refused", json={})
            except RequestFailed as failed:
                user.check(failed.kind, True)
            assert (await user.get("/a")).status == 200
    """
    with http2_site(answer) as site:
        summary, store = run_once(tmp_path, site.port, body.strip(), count=2)
        declarative = start(
            make_plan(
                {
                    "target": f"http://127.0.0.1:{site.port}",
                    "http": {"version": "2-prior-knowledge"},
                    "scenarios": [{"name": "s", "steps": [{"post": "/refused", "json": {}}]}],
                    "load": {"users": 1, "count": 2},
                }
            ),
            MemoryStore(),
        )
        errors = declarative.wait().errors

    assert (summary["answered"], summary["errors"]) == (2, {kind: 2}) == (2, errors)
    assert store.by_label("load.checks", "check") == {kind: 2}
    for one in (store, declarative.store):
        assert text in one.fact("load", "error_examples")[kind]
