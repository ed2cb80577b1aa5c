"""What runs once around a load runs exactly once, also over several threads and processes, and is no part of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from load.echoing import Echo, echoing
from scaleworthy.errors import TargetError
from scaleworthy.load import Plan, make_plan, run_load
from scaleworthy.series import MemoryStore


@pytest.fixture
def echo() -> Iterator[Echo]:
    with echoing() as server:
        yield server


def plan_of(echo: Echo, **fields: Any) -> Plan:
    login = {"post": "/login", "json": {"token": "t1", "ids": [7, 8]}}
    wanted: dict[str, Any] = {
        "target": echo.url,
        "before": [{**login, "extract": {"token": {"json": "$.token"}, "ids": {"json": "$.ids"}}}, {"set": {"n": 3}}],
        "scenarios": [{"name": "s", "steps": [{"post": "/use", "json": ["{{ token }}", "{{ ids[1] }}", "{{ n }}"]}]}],
        "after": [{"post": "/logout", "json": "{{ token }}"}],
        "load": {"users": 2, "count": 6},
        "seed": 1,
    }
    return make_plan(wanted | fields)


@pytest.mark.parametrize("how", [{"threads": 2}, {"workers": 2, "threads": 2}], ids=["threads", "processes"])
def test_every_user_has_what_ran_before(echo: Echo, how: dict[str, int]) -> None:
    summary = run_load(plan_of(echo, **how), MemoryStore())

    assert summary["answered"] == 6
    assert echo.lines == ["POST /login", *["POST /use"] * 6, "POST /logout"]
    assert all(request.json == ["t1", 8, 3] for request in echo.seen[1:7])
    assert echo.seen[7].json == "t1"


def test_a_load_does_not_begin_when_what_comes_before_fails(echo: Echo) -> None:
    plan = plan_of(
        echo,
        before=[{"get": "/login", "extract": {"token": {"json": "$.none"}, "ids": {"json": "$.path"}}}],
        variables={"n": 1},
    )
    with pytest.raises(TargetError, match="before failed: GET /login: nothing found for"):
        run_load(plan, MemoryStore())

    assert echo.lines == ["GET /login"]


def test_what_fails_afterwards_leaves_the_measurement_and_is_told(echo: Echo) -> None:
    store = MemoryStore()
    summary = run_load(plan_of(echo, after=[{"get": "/out", "expect": {"status": 500}}]), store)

    assert summary["answered"] == 6
    assert [event.text for event in store.events() if event.kind == "after"] == [
        "after failed: GET /out: wanted status 500, got 200"
    ]


def test_what_scenarios_log_is_passed_on_and_bounded(echo: Echo, capfd: pytest.CaptureFixture[str]) -> None:
    steps = [{"log": "at {{ $loop }} of {{ who }}"}]
    scenario = {"name": "s", "steps": [{"loop": {"count": 25, "steps": steps}}, {"get": "/"}]}
    plan = make_plan(
        {"target": echo.url, "scenarios": [scenario], "variables": {"who": "us"}, "load": {"users": 1, "count": 1}}
    )
    run_load(plan, MemoryStore())

    said = capfd.readouterr().err.splitlines()
    assert said == [*[f"log: at {n} of us" for n in range(20)], "log: and 5 more lines"]


def test_the_environment_gives_values_that_no_recording_holds(echo: Echo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOP_TOKEN", "s3cret")
    store = MemoryStore()
    steps = [{"get": "/{{ $env.SHOP_TOKEN }}", "headers": {"x-t": "{{ $env.SHOP_TOKEN }}"}}]
    plan = make_plan(
        {"target": echo.url, "scenarios": [{"name": "s", "steps": steps}], "load": {"users": 1, "count": 1}}
    )
    run_load(plan, store)

    assert (echo.lines, echo.seen[0].headers["x-t"]) == (["GET /s3cret"], "s3cret")
    assert "s3cret" not in str(store.fact("load", "plan"))


def test_a_feeder_of_parquet_keeps_types(echo: Echo, tmp_path: Path) -> None:
    arrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    parquet.write_table(arrow.table({"id": [1, 2], "name": ["Ann", None]}), tmp_path / "rows.parquet")
    steps = [{"post": "/", "json": ["{{ id }}", "{{ name }}"]}]
    plan = make_plan(
        {
            "target": echo.url,
            "feeders": [{"file": "rows.parquet"}],
            "scenarios": [{"name": "s", "steps": steps}],
            "load": {"users": 1, "count": 2},
        },
        folder=tmp_path,
    )
    run_load(plan, MemoryStore())

    assert [request.json for request in echo.seen] == [[1, "Ann"], [2, ""]]
