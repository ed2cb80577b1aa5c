"""A run of Python scenarios: what is counted, what goes wrong, what runs once, and that it agrees with a declarative run."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from load.scenarios.conftest import Server
from scaleworthy._native import NullServer
from scaleworthy.errors import InvalidInput, ScaleworthyError, UsageError
from scaleworthy.load import Plan, load_plan, make_plan, run_load, start
from scaleworthy.series import MemoryStore

SIMPLE = """
    @scenario
    async def page(user):
        (await user.get("/a")).expect(status=200)
"""


def script(folder: Path, text: str) -> Path:
    path = folder / "scenario.py"
    path.write_text("from scaleworthy.load import *\n" + dedent(text))
    return path


def plan(folder: Path, text: str, target: str, load: Mapping[str, Any], **parts: Any) -> Plan:
    return load_plan(script(folder, text), target=target).changed(load=dict(load), seed=1, **{"workers": 1, **parts})


def totals(store: MemoryStore, name: str, label: str) -> dict[str, float]:
    return store.by_label(name, label)


def test_a_declarative_and_a_python_run_of_one_plan_agree(server: NullServer, url: str, tmp_path: Path) -> None:
    """A fixed count, once by each speed: the same counts, and medians of service time whose intervals are near each other."""
    load = {"users": 4, "count": 2_000}
    stores = MemoryStore(), MemoryStore()
    declarative = make_plan(
        {"target": url, "scenarios": [{"name": "page", "steps": [{"get": "/a"}]}], "load": load, "seed": 1}
    )
    one = run_load(declarative, stores[0])
    other = run_load(plan(tmp_path, SIMPLE, url, load), stores[1])

    assert server.requests == 4_000
    for field in ("planned", "started", "answered", "failed", "not_started", "statuses", "errors"):
        assert one[field] == other[field]
    assert list(one["steps"]) == list(other["steps"]) == ["GET /a"]
    assert (one["speed"], other["speed"]) == ("declarative", "python")
    low, high = (store.histogram("load.service_time").quantile_interval(0.5) for store in stores)
    assert low is not None
    assert high is not None
    # Both share two cores with the server: within a factor, not within their own narrow intervals.
    assert max(low[0], high[0]) < 20 * min(low[1], high[1])


def test_an_open_load_plans_every_start(server: NullServer, url: str, tmp_path: Path) -> None:
    """The same seed plans the same starts, whichever speed carries them out."""
    load = {"rate": "300/s", "for": "400ms"}
    declarative = make_plan(
        {"target": url, "scenarios": [{"name": "page", "steps": [{"get": "/a"}]}], "load": load, "seed": 1}
    )
    planned = run_load(declarative, MemoryStore())["planned"]
    summary = run_load(plan(tmp_path, SIMPLE, url, load), MemoryStore())

    # A user who arrives in the last moment may ask only after the end, and then nothing is planned any more.
    assert planned - 2 <= summary["planned"] <= planned
    assert summary["answered"] == summary["planned"]


def test_two_workers_share_users_numbers_rows_and_setup(echo: Server, tmp_path: Path) -> None:
    """`@setup` and `@teardown` run once in all; every worker gets what setup returned; each row is used once."""
    text = f"""
        rows = feed([{{"n": n}} for n in range(40)], order="unique")
        log = {str(tmp_path / "log")!r}
        @setup
        async def prepare():
            open(log, "a").write("setup ")
            return {{"token": "t"}}
        @teardown
        def clean(data):
            open(log, "a").write("teardown " + data["token"])
        @scenario
        async def page(user):
            await user.post("/row", json={{"n": user.row["n"], "token": user.data["token"]}})
    """
    summary = run_load(plan(tmp_path, text, echo.url, {"users": 4, "count": 40}, workers=2), MemoryStore())

    sent = [json.loads(heard["body"]) for heard in echo.heard]
    assert summary["failed"] == 0
    assert sorted(one["n"] for one in sent) == list(range(40))
    assert {one["token"] for one in sent} == {"t"}
    assert (tmp_path / "log").read_text() == "setup teardown t"


def test_what_a_scenario_records(url: str, tmp_path: Path) -> None:
    """Routes, names, groups and tags make steps; checks, times and own series are counted beside them."""
    text = """
        @on_start
        async def first(user):
            user.state["seen"] = 0
        @on_stop
        async def last(user):
            await user.post("/bye", name="bye")
        @scenario
        async def page(user):
            user.state["seen"] += 1
            await user.get(f"/items/{user.number}")
            with user.group("cart"):
                await user.get("/x", tags={"team": "crm"})
            user.check("odd", user.number % 2)
            user.record("cart.items", 2, "items")
            user.record("render", 1.5, "ms")
            with user.timed("lookup"):
                await user.think("1ms")
    """
    store = MemoryStore()
    summary = run_load(plan(tmp_path, text, url, {"users": 2, "count": 10}), store)

    steps = {name: step["answered"] for name, step in summary["steps"].items()}
    assert steps == {"GET /items/{id}": 10, "cart / GET /x": 10, "bye": 2}
    assert totals(store, "load.answered", "team").get("crm") == 10
    assert totals(store, "load.checks", "outcome") == {"pass": 5, "fail": 5}
    assert store.total("cart.items") == 20
    assert store.histogram("render").max_ns == pytest.approx(1_500_000, rel=1e-3)
    assert store.histogram("load.timed", labels={"name": "lookup"}).count == 10


def test_failures_are_counted_once_each_and_the_run_goes_on(echo: Server, tmp_path: Path) -> None:
    """An unexpected status, a broken expectation, an exception: each is one failure; a status that was expected is none."""
    text = """
        @scenario
        async def page(user):
            kind = user.number % 5
            if kind == 0:
                await user.get("/a?status=503", name="not asked")
            elif kind == 1:
                (await user.get("/a?status=404", name="asked")).expect(status=404)
            elif kind == 2:
                answer = await user.get("/a", name="broken")
                for text in ("no", "nor"):
                    try:
                        answer.expect(contains=text)
                    except ExpectationFailed:
                        pass
            elif kind == 3:
                await user.get("/a", name="fine")
                {}["missing"]
            else:
                await user.get("/a", name="fine")
    """
    run = start(plan(tmp_path, text, echo.url, {"users": 5, "count": 25}), MemoryStore())
    summary = run.wait()

    assert summary.answered == 25
    assert summary.errors == {"expect-status": 5, "expect-body": 5, "script": 5}
    assert {name: step.failed for name, step in summary.steps.items() if step.failed} == {
        "not asked": 5,
        "broken": 5,
        "page": 5,
    }
    assert run.store.fact("load", "error_examples")["script"] == "page: KeyError: 'missing' (scenario.py:19 in page)"


def test_a_run_in_which_every_iteration_raises_is_stopped_with_the_traceback(url: str, tmp_path: Path) -> None:
    text = """
        @scenario
        async def page(user):
            undefined_name
    """
    with pytest.raises(
        ScaleworthyError, match=r"(?s)every iteration raises.*\n  File \"\S*scenario.py\", line 5.*NameError"
    ) as raised:
        run_load(plan(tmp_path, text, url, {"users": 10, "for": "60s"}), MemoryStore())
    assert "undefined_name" in str(raised.value)


def test_a_setup_that_raises_ends_it_before_the_first_request(server: NullServer, url: str, tmp_path: Path) -> None:
    text = (
        SIMPLE
        + """
    @setup
    def prepare():
        raise OSError("no database")
    """
    )
    with pytest.raises(ScaleworthyError, match=r"(?s)@setup did not get through.*no database"):
        run_load(plan(tmp_path, text, url, {"users": 1, "count": 1}), MemoryStore())
    assert server.requests == 0


def test_what_holds_users_up_is_named(url: str, tmp_path: Path) -> None:
    """Never awaited, left running, blocking, dry: each is said in a note.

    `time.sleep` is the very fault that is looked for: it holds the loop for 0.4 s at least, on whatever machine.
    """
    text = """
        import asyncio, time
        rows = feed([{"n": 1}] * 12, order="unique")
        @scenario
        async def page(user):
            user.row
            answer = await user.get("/a")
            user.get("/forgotten")
            if user.number == 3:
                time.sleep(0.4)
            if user.number == 4:
                asyncio.get_running_loop().keep = asyncio.create_task(asyncio.Event().wait())
            await user.think("5ms")
    """
    store = MemoryStore()
    run_load(plan(tmp_path, text, url, {"users": 2, "for": "30s"}), store)
    notes = "\n".join(store.fact("load", "notes"))

    assert "were sent and never awaited" in notes
    assert "1 task was started and left running: Event.wait" in notes
    assert "held up, for up to 0." in notes
    assert "scenario.py:11 in page" in notes
    assert "all 12 rows have been used" in notes
    assert (store.histogram("load.loop_lag").max_ns or 0) > 300_000_000


def test_thinking_users_do_not_hold_the_end_up(server: NullServer, url: str, tmp_path: Path) -> None:
    """Whoever thinks when the run ends is let go; whoever waits for something else has the plan's grace."""
    text = """
        import asyncio
        @scenario
        async def page(user):
            await user.get("/a")
            await (user.think("1h") if user.number else asyncio.Event().wait())
    """
    load = plan(tmp_path, text, url, {"users": 5, "for": "500ms"}, grace_ns="300ms")
    summary = run_load(load, MemoryStore())

    assert summary["answered"] == server.requests == 5
    assert summary["failed"] == 0
    assert summary["seconds"] < 30


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("@scenario\ndef page(user): ...", "scenario.py:2: page() must be 'async def'"),
        (
            "@scenario(weight=0)\nasync def page(user): ...",
            "scenario.py:2: the weight of page() must be above 0, got 0",
        ),
        ("@scenario\nasync def page(): ...", "scenario.py:2: page() must take one argument"),
        ("async def page(user): ...", "scenario.py:1: declares no scenario"),
        ("x = (", "scenario.py:2: '(' was never closed"),
        ("import no_such_module", "scenario.py:2: ModuleNotFoundError: No module named 'no_such_module'"),
        ("rows = feed('none.csv')\n@scenario\nasync def page(user): ...", "cannot be read: No such file"),
        ("@setup\ndef a(): ...\n@setup\ndef b(): ...\n" + "@scenario\nasync def page(user): ...", "has one @setup"),
    ],
)
def test_a_broken_file_is_refused_with_line_and_reason(tmp_path: Path, text: str, problem: str) -> None:
    with pytest.raises(InvalidInput) as raised:
        load_plan(script(tmp_path, text), target="http://127.0.0.1:1")

    assert problem in str(raised.value)


def test_thousands_who_begin_together_all_get_through(server: NullServer, url: str, tmp_path: Path) -> None:
    """More words at once than one turn of the event loop gives out."""
    summary = run_load(plan(tmp_path, SIMPLE, url, {"users": 2_500, "count": 2_500}), MemoryStore())

    assert summary["answered"] == server.requests == 2_500
    assert summary["failed"] == 0


def test_a_file_without_a_target_says_what_to_add(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="add --target"):
        load_plan(script(tmp_path, SIMPLE))


def test_a_plan_file_may_name_the_scenarios(url: str, tmp_path: Path) -> None:
    """Load and objectives then stand in the plan file."""
    script(tmp_path, SIMPLE)
    (tmp_path / "plan.yaml").write_text(
        f"target: {url}\npython: scenario.py\nload: {{users: 2, count: 10}}\nobjectives: ['failed < 1%']\nworkers: 1\n"
    )
    made = load_plan(tmp_path / "plan.yaml")
    summary = run_load(made, MemoryStore())

    assert made.public()["python"] == "scenario.py"
    assert (summary["answered"], summary["verdict"]) == (10, "pass")
