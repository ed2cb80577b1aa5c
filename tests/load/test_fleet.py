"""Several worker processes act as one: exact shares, one start, seconds merged, none left behind."""

import os
import select
import signal
import subprocess
import sys
from typing import Any

import pytest

from scaleworthy._native import NullServer
from scaleworthy.errors import UsageError
from scaleworthy.load import LoadRun, Plan, make_plan, plan_for_url, run_load, start, summarize
from scaleworthy.load.fleet.coordinator import Fleet
from scaleworthy.load.workers import Limits, workers_for
from scaleworthy.series import MemoryStore

DEAD_WITHIN_S = 10.0


def plan(url: str, *, workers: int = 3, **load: Any) -> Plan:
    return plan_for_url(url, load=load, seed=1).changed(workers=workers)


def pids(run: LoadRun) -> list[int]:
    assert isinstance(run._engine, Fleet)
    return [member.pid for member in run._engine._members]


@pytest.mark.parametrize("load", [{"users": 4, "count": 301}, {"rate": "300/s", "for": "1s"}], ids=["closed", "open"])
def test_counts_agree_with_the_servers_own(server: NullServer, url: str, load: dict[str, Any]) -> None:
    store = MemoryStore()
    summary = run_load(plan(url, **load), store)

    assert summary["planned"] == summary["answered"] == server.requests
    assert summary["failed"] == summary["not_started"] == 0
    assert summary["generator"]["workers"] == 3
    assert [worker["number"] for worker in store.fact("load", "workers")] == [0, 1, 2]
    if "count" in load:
        assert server.requests == 301


def test_every_iteration_is_made_once_by_one_of_the_workers(server: NullServer, url: str) -> None:
    """The numbers of the iterations are those of one process: rows and random values follow from them."""
    made = make_plan(
        {
            "target": url,
            "load": {"rate": "200/s", "for": "1s", "arrivals": "constant"},
            "scenarios": [{"name": "n", "steps": [{"get": "/{{ $n }}"}]}],
            "seed": 1,
            "workers": 3,
        }
    )
    run_load(made, MemoryStore())

    assert server.requests_by_path == {f"/{number}": 1 for number in range(200)}


def test_a_lost_worker_is_named_and_the_results_are_kept(server: NullServer, url: str) -> None:
    store = MemoryStore()
    run = start(plan(url, rate="300/s", **{"for": "60s"}), store)
    lost = pids(run)[1]
    for number, _ in enumerate(run):
        if number == 1:
            os.kill(lost, signal.SIGKILL)
    summary = summarize(store)

    assert 300 < summary.answered <= server.requests
    assert summary.verdict == "generator-limited"
    assert summary.exit_status == 3
    assert summary.generator.workers_lost == 1
    assert f"worker 1 (process {lost}) was ended by SIGKILL" in summary.generator.notes[0]
    assert "1 of 3 parts of the load" in summary.generator.notes[0]


STARTS_A_RUN = """
import sys
from scaleworthy.load import plan_for_url, start
from scaleworthy.series import MemoryStore
run = start(plan_for_url(sys.argv[1], load={"users": 4, "for": "60s"}, seed=1).changed(workers=2), MemoryStore())
print(*[member.pid for member in run._engine._members], flush=True)
run.wait()
"""


def test_workers_do_not_outlive_the_process_that_started_them(url: str) -> None:
    with subprocess.Popen([sys.executable, "-c", STARTS_A_RUN, url], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        workers = [os.pidfd_open(int(word)) for word in parent.stdout.readline().split()]
        parent.kill()
    assert len(workers) == 2
    for worker in workers:
        assert select.select([worker], [], [], DEAD_WITHIN_S)[0]
        os.close(worker)


def test_a_run_that_is_forgotten_leaves_no_worker(url: str) -> None:
    run = start(plan(url, users=4, **{"for": "60s"}), MemoryStore())
    workers = [os.pidfd_open(pid) for pid in pids(run)]
    del run

    for worker in workers:
        assert select.select([worker], [], [], 0)[0]
        os.close(worker)


LIMITS = Limits(connections_per_process=1_000, ports_per_address=28_232)


@pytest.mark.parametrize(
    ("fields", "wanted"),
    [
        ({"load": {"users": 900}}, 1),
        ({"load": {"users": 2_500}, "http": {"connections_max": 2_500}}, 3),
        ({"load": {"users": 2_500}, "http": {"connections_max": 500}}, 1),
        ({"load": {"rate": "10/s"}, "http": {"connections_max": 1_001}}, 2),
        (
            {
                "load": {"users": 2_500},
                "http": {"connections_max": 2_500, "version": "2-prior-knowledge", "streams_max": 3},
            },
            1,
        ),
        ({"load": {"users": 900}, "workers": 2}, 2),
        ({"load": {"stages": "1s:1200,1s:0"}, "http": {"connections_max": 2_500}}, 2),
    ],
)
def test_a_plan_has_as_many_workers_as_its_connections_need(url: str, fields: dict[str, Any], wanted: int) -> None:
    assert workers_for(plan_for_url(url, seed=1).changed(**fields), addresses=1, limits=LIMITS) == wanted


@pytest.mark.parametrize(
    ("fields", "addresses", "says"),
    [
        ({"load": {"users": 30_000}, "http": {"connections_max": 30_000}}, 1, "28,232 ports"),
        (
            {"load": {"users": 2_500}, "http": {"connections_max": 2_500}, "workers": 2},
            1,
            "at least 3 worker processes",
        ),
        ({"http": {"connections_max": 3}, "workers": 4}, 1, "4 workers share 3 connections_max"),
        ({"threads": 3, "workers": 4}, 1, "4 workers share 3 threads"),
    ],
)
def test_what_cannot_be_opened_is_said_before_the_start(
    url: str, fields: dict[str, Any], addresses: int, says: str
) -> None:
    with pytest.raises(UsageError, match=says):
        workers_for(plan_for_url(url, seed=1).changed(**fields), addresses=addresses, limits=LIMITS)
