"""A watched service: each run is kept, held to those before it, and the next begins at its planned time."""

import threading
from pathlib import Path

import pytest

from scaleworthy._native import NullServer
from scaleworthy.errors import UsageError
from scaleworthy.load import Plan, plan_for_url
from scaleworthy.load.watch import History, Watch


def plan(port: int, **more: object) -> Plan:
    return plan_for_url(f"http://127.0.0.1:{port}/", load={"users": 2, "count": 400}, **more)


class Time:
    """A clock that moves when someone waits."""

    def __init__(self) -> None:
        self.now = 1_000.0
        self.waits: list[float] = []

    def wait(self, event: threading.Event, seconds: float) -> bool:
        self.waits.append(seconds)
        self.now += seconds
        return event.is_set()


def watched(server: NullServer, path: Path, runs: int, time: Time) -> History:
    made = plan(server.port)
    history = History(path, made)
    watch = Watch(made, history, every_s=60.0, clock=lambda: time.now, wait=time.wait)
    for number, _ in enumerate(watch, 1):
        if number == runs:
            watch.stop()
    return history


def test_runs_begin_as_planned_and_are_kept(server: NullServer, tmp_path: Path) -> None:
    time = Time()
    history = watched(server, tmp_path / "h.sqlite", 3, time)

    assert [run.at_s for run in history.runs()] == [1_000.0, 1_060.0, 1_120.0]
    assert all(run.summary["answered"] == 400 and run.reference for run in history.runs())


def test_a_run_that_is_much_slower_is_an_alarm_and_no_reference(tmp_path: Path) -> None:
    path, time = tmp_path / "h.sqlite", Time()
    server = NullServer(service_time_ns=1_000_000)
    watched(server, path, 6, time)
    # The same address, a slower service behind it: history is kept by plan, and the port is part of the plan.
    history = History(path, plan(server.port))
    usual = history.reference()
    server.stop()
    slow = NullServer(service_time_ns=8_000_000)
    made = plan(slow.port)
    moved = History(tmp_path / "moved.sqlite", made)
    for run in history.runs():
        moved_summary = run.summary
        moved._keep(run.at_s, moved_summary, (), held=True)
    watch = Watch(made, moved, every_s=60.0, clock=lambda: time.now, wait=time.wait)
    run = next(iter(watch))
    watch.stop()
    slow.stop()

    assert len(usual) == 6
    assert any(text.startswith("p50 ") for text in run.regressions)
    assert not run.reference
    assert len(moved.reference()) == 6


def test_other_plans_have_other_histories_and_a_new_baseline_forgets(server: NullServer, tmp_path: Path) -> None:
    path = tmp_path / "h.sqlite"
    history = watched(server, path, 2, Time())
    other = History(path, plan(server.port, headers={"x-tenant": "b"}))

    assert (len(history.runs()), len(other.runs())) == (2, 0)
    history.begin_anew()
    assert (len(history.runs()), len(history.reference())) == (2, 0)
    assert len(History(path, plan(server.port, seed=7)).runs()) == 2


def test_a_file_that_is_no_history_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "h.sqlite"
    path.write_text("this is no database, it is a text of some length " * 40)
    with pytest.raises(UsageError, match="cannot be used"):
        History(path, plan(9))
