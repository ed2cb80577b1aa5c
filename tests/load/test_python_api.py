"""A run from Python: whatever the plan is given as, followed from plain code and from an event loop, ended with its block."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from scaleworthy import load
from scaleworthy._native import NullServer
from scaleworthy.errors import InvalidInput, UsageError


def mapping(url: str, name: str = "get", **shape: Any) -> dict[str, Any]:
    steps = [{"get": "/", "name": name}]
    return {"target": url, "scenarios": [{"name": "main", "steps": steps}], "load": shape or {"users": 1, "count": 20}}


@pytest.fixture
def endless(url: str) -> dict[str, Any]:
    return mapping(url, rate="200/s", **{"for": "1h"})


def test_a_plan_is_given_in_any_form(server: NullServer, url: str, tmp_path: Path) -> None:
    file = tmp_path / "plan.yaml"
    file.write_text(json.dumps(mapping("http://127.0.0.1:9")))
    script = tmp_path / "users.py"
    script.write_text(
        "from scaleworthy.load import User, scenario\n@scenario\nasync def a(user: User) -> None:\n    await user.get('/')\n"
    )
    made = load.make_plan(mapping(url))

    for given, target in ((mapping(url), None), (made, None), (file, url), (str(file), url)):
        assert load.start(given, target=target).wait().answered == 20
    with load.start(url) as run:
        assert run.plan.load.users == 10
    with load.start(script, target=url) as run:
        next(iter(run))
    assert run.summary().speed == "python"
    assert server.requests >= 80


def test_what_is_no_plan_is_refused_before_anything_starts(tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        load.start(tmp_path / "none.yaml")
    with pytest.raises(InvalidInput):
        load.start({"target": "http://127.0.0.1:9"})


def test_seconds_are_followed_and_the_level_steered(endless: dict[str, Any]) -> None:
    with load.start(endless) as run:
        for second in run:
            if second.target == 400:
                break
            run.set_rate(400)
        assert not run.ended

    assert run.ended
    assert run.interrupted == "stopped"
    assert run.summary().not_started == 0


def test_an_exception_in_the_block_cuts_the_run(url: str) -> None:
    slow = NullServer(service_time_ns=60 * 10**9)
    data = mapping(f"http://127.0.0.1:{slow.port}/", users=3, **{"for": "1h"})
    run = load.start(data)

    def fail() -> None:
        with run:
            next(iter(run))
            raise KeyError("mine")

    try:
        with pytest.raises(KeyError):
            fail()
    finally:
        slow.stop()

    assert run.ended
    assert run.interrupted == "aborted"
    assert run.summary().errors == {"cut": 3}


async def test_the_event_loop_goes_on_while_a_run_is_awaited(url: str) -> None:
    turns = 0

    async def turn() -> None:
        nonlocal turns
        while not run.ended:
            turns += 1
            await asyncio.sleep(0)

    run = load.start(mapping(url, rate="100/s", **{"for": "300ms"}))
    beside = asyncio.create_task(turn())
    summary = await run
    await beside

    assert summary.answered == summary.planned > 0
    assert turns > 100


async def test_a_wait_that_is_given_up_loses_no_second(server: NullServer, url: str) -> None:
    run = load.start(mapping(url, rate="100/s", **{"for": "1200ms"}))
    seen = 0
    for _ in range(3):
        seconds = aiter(run)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(anext(seconds), timeout=0.001)
    async for second in run:
        seen += second.answered
        break
    seen += sum(second.answered for second in run)

    assert seen == run.summary().answered == server.requests


async def test_an_async_block_ends_the_run(endless: dict[str, Any]) -> None:
    async with load.start(endless) as run:
        async for _ in run:
            break

    assert run.ended
    assert run.interrupted == "stopped"
    assert (await run).answered > 0


def test_a_notebook_shows_a_run_while_it_goes_on_and_at_its_end(url: str) -> None:
    data = mapping(url, name="<script>alert(1)</script>", users=1, count=20) | {"objectives": ["p95 < 10s"]}
    data["scenarios"][0]["steps"].append({"get": "/b"})
    run = load.start(data)
    before = run._repr_html_()
    summary = run.wait()

    assert "going on" in before
    assert run._repr_html_() == summary._repr_html_()
    shown = run._repr_html_()
    assert "<b>held</b>" in shown
    assert "<td>p95 &lt; 10s</td>" in shown
    assert "&lt;script&gt;" in shown
    assert "<script" not in shown


def test_arrow_has_every_series(url: str) -> None:
    run = load.start(mapping(url))
    run.wait()
    rows = run.to_arrow().to_pylist()

    assert sum(row["value"] for row in rows if row["name"] == "load.answered") == 20
