"""A user's life as its task sees it: parts that follow one another, whatever an iteration waits for or raises."""

from __future__ import annotations

from pathlib import Path

import pytest

from load.scenarios.test_runs import plan
from scaleworthy._native import NullServer
from scaleworthy.load import User, run_load
from scaleworthy.series import MemoryStore


def test_parts_follow_one_another_whatever_an_iteration_waits_for(url: str, tmp_path: Path) -> None:
    """Futures of other libraries, a timeout that passes, a task that cancels itself: none of it ends the user's life."""
    text = """
        import asyncio

        @on_start
        async def come(user):
            user.state["log"] = [(await user.get("/come")).status]

        @scenario
        async def page(user):
            kind = len(user.state["log"])
            user.state["log"].append(kind)
            if kind == 1:
                await asyncio.sleep(0)
            elif kind == 2:
                try:
                    async with asyncio.timeout(0):
                        await asyncio.Event().wait()
                except TimeoutError:
                    pass
            elif kind == 3:
                asyncio.current_task().cancel()
                await user.get("/cancelled")
            elif kind == 4:
                assert asyncio.current_task().get_coro().__class__.__name__ == "Life"
            await user.get("/page")

        @on_stop
        async def go(user):
            await user.get("/" + "".join(map(str, user.state["log"])))
    """
    summary = run_load(plan(tmp_path, text, url, {"users": 1, "count": 5}), MemoryStore())

    answered = {name: step["answered"] for name, step in summary["steps"].items() if step["answered"]}
    assert answered == {"GET /come": 1, "GET /page": 4, "GET /{id}": 1}
    assert set(summary["errors"]) <= {"cancelled"}


def test_users_whose_iterations_wait_for_nothing_let_others_through(
    server: NullServer, url: str, tmp_path: Path
) -> None:
    text = """
        @scenario
        async def page(user):
            if user.number % 2:
                return
            await user.get("/a")
    """
    summary = run_load(plan(tmp_path, text, url, {"users": 3, "count": 600}), MemoryStore())

    assert summary["answered"] == server.requests == 300


async def test_an_answer_ends_its_iterator_as_python_has_it(user: User) -> None:
    """Whoever drives an await by hand gets the answer out of a StopIteration."""
    asked = user.get("/a")
    steps = iter(asked)
    assert next(steps) is asked
    await asked
    with pytest.raises(StopIteration) as over:
        next(steps)
    assert over.value.value is asked
