"""A run against a real server: counts agree with the server's own, it can be steered, it can be stopped, what it did is recorded."""

from pathlib import Path
from typing import Any

import pytest

from scaleworthy._native import NullServer
from scaleworthy.errors import TargetError, UsageError
from scaleworthy.load import Plan, plan_for_url, run_load, start, summarize
from scaleworthy.load.second import Second
from scaleworthy.series import MemoryStore, Recording


def plan(url: str, **load: Any) -> Plan:
    return plan_for_url(url, load=load, seed=1)


@pytest.mark.parametrize("load", [{"users": 4, "count": 300}, {"rate": "300/s", "for": "1s"}], ids=["closed", "open"])
def test_counts_agree_with_the_servers_own(server: NullServer, url: str, load: dict[str, Any]) -> None:
    summary = run_load(plan(url, **load), MemoryStore())

    assert summary["planned"] == summary["started"] == summary["answered"] == server.requests
    assert summary["failed"] == summary["not_started"] == 0
    assert summary["statuses"] == {"200": server.requests}
    if "count" in load:
        assert server.requests == 300


@pytest.mark.parametrize(("iterations", "least", "most"), [(3, 60, 60), ("2..5", 41, 99)])
def test_users_who_arrive_come_back_as_often_as_said(
    server: NullServer, url: str, iterations: int | str, least: int, most: int
) -> None:
    """Twenty users: three visits each, or two to five drawn for each, the same for the same seed."""
    load = {"users_arrive": "200/s", "iterations": iterations, "count": 20}
    first = run_load(plan(url, **load), MemoryStore())
    again = run_load(plan(url, **load), MemoryStore())

    assert least <= first["answered"] <= most
    assert first["answered"] == again["answered"] == server.requests / 2


def test_seconds_add_up_to_the_summary(url: str) -> None:
    seen: list[Second] = []
    summary = run_load(plan(url, rate="200/s", **{"for": "2s"}), MemoryStore(), on_second=seen.append)

    assert sum(second.answered for second in seen) == summary["answered"]
    assert sum(second.response.count for second in seen) == summary["answered"]
    assert len({second.second for second in seen}) == len(seen) >= 2


def test_a_run_can_be_steered(url: str) -> None:
    """A level that changes shows in the seconds after it; paused, nothing starts."""
    store = MemoryStore()
    run = start(plan(url, rate="50/s", **{"for": "60s"}), store)
    started: dict[str, int] = {}
    for number, second in enumerate(run):
        if number == 0:
            run.set_rate(400)
        elif number == 2:
            started["fast"] = second.planned
            run.pause()
        elif number == 4:
            started["paused"] = second.planned
            run.resume()
        elif number == 5:
            run.stop()

    assert started["fast"] > 250
    assert started["paused"] == 0
    assert run.interrupted == "stopped"
    assert [event.kind for event in store.events()] == ["level", "pause", "resume", "stop"]
    summary = summarize(store)
    assert summary.planned == summary.answered
    assert summary.seconds < 30


def test_an_aborted_run_cuts_what_is_under_way() -> None:
    server = NullServer(service_time_ns=20 * 10**9)
    run = start(plan(f"http://127.0.0.1:{server.port}/", users=3, **{"for": "60s"}), MemoryStore())
    for second in run:
        if second.in_flight == 3:
            run.abort()
    server.stop()

    summary = summarize(run.store)
    assert summary.errors == {"cut": 3}
    assert summary.verdict == "fail"
    assert run.store.fact("load", "interrupted") == "aborted"


def test_the_facts_of_a_run_are_recorded(url: str, tmp_path: Path) -> None:
    path = tmp_path / "run.sw"
    with Recording.create(path, run={}) as store:
        run_load(plan_for_url(url, load={"users": 1, "count": 5}, headers={"authorization": "Bearer s3cret"}), store)

    assert b"s3cret" not in path.read_bytes()
    with Recording.open(path) as store:
        facts = store.facts("load")
        assert facts["plan"]["headers"] == {"authorization": "***"}
        assert isinstance(facts["seed"], int)
        assert facts["shape"] == "1 users, 5 starts"
        assert set(store.facts("run")["host"]) >= {"cpu", "cores", "kernel", "memory_bytes"}
        assert set(store.facts("run")["versions"]) >= {"scaleworthy", "build", "python"}


def test_the_same_seed_plans_the_same_requests(url: str) -> None:
    first, second = (run_load(plan(url, rate="150/s", **{"for": "1s"}), MemoryStore()) for _ in range(2))
    assert first["planned"] == second["planned"]


def test_nothing_is_sent_to_a_host_that_is_not_ours() -> None:
    store = MemoryStore()
    with pytest.raises(UsageError, match="--i-own"):
        start(plan("http://shop.example/", users=1), store, resolve=lambda host, port: ["10.0.0.1"])
    assert store.facts("load") == {}


def test_a_target_that_is_not_there_is_said_before_anything_runs(server: NullServer, url: str) -> None:
    server.stop()
    with pytest.raises(TargetError, match="connection refused"):
        start(plan(url, users=1), MemoryStore())
