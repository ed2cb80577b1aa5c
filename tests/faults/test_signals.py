"""A search or an assessment that is stopped keeps what it has, says so, and leaves no process."""

from __future__ import annotations

import signal
import threading
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from faults.ending import Started, scaleworthy
from scaleworthy._native import NullServer
from scaleworthy.errors import TargetError
from scaleworthy.load import find_limit, plan_for_url
from scaleworthy.load.limit import calibrate
from scaleworthy.load.limit.engine_driver import GONE_AFTER_S, EngineDriver, live_load
from scaleworthy.load.prepare import prepare
from scaleworthy.series import MemoryStore

OBJECTIVES = ("--objective", "p95 < 1s", "--objective", "failed < 1%")


@pytest.fixture
def started(tmp_path: Path) -> Iterator[Callable[..., Started]]:
    temporary = tmp_path / "temporary"
    temporary.mkdir()

    def start(*words: str) -> Started:
        return Started(*words, temporary=temporary)

    yield start
    assert list(temporary.iterdir()) == []


def test_a_stopped_search_shows_what_it_has_found(url: str, started: Callable[..., Started], tmp_path: Path) -> None:
    out = tmp_path / "limit.sw"
    with started("find-limit", url, *OBJECTIVES, "--quick", "--start", "300", "--out", str(out)) as command:
        command.until("bracket")
        command.signal(signal.SIGINT)
        ended = command.end()

    assert ended.status == 130
    assert ended.says("ended by: interrupted", f"recorded: {out}")
    assert list(tmp_path.glob("limit.sw?*")) == []
    assert scaleworthy("report", str(out)).says("the run was stopped before its end")


def test_a_search_is_stopped_while_it_measures_the_generator(
    url: str, server: NullServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The seconds before the first probe belong to no target: nothing was sent to it, and nothing is waited for."""
    monkeypatch.setattr(calibrate, "_known", {})  # another test of this process may have measured it
    stop = threading.Event()
    stop.set()
    limit = find_limit(plan_for_url(url, seed=1), MemoryStore(), objectives=["p95 < 1s"], stop=stop)

    assert limit.stopped_by == "interrupted"
    assert limit.probes == ()
    assert "was stopped while the generator was measured" in limit.reasons[0]
    assert server.requests == 0


def test_a_stopped_run_of_several_workers_keeps_its_results_and_leaves_no_worker(
    url: str, started: Callable[..., Started], tmp_path: Path
) -> None:
    out = tmp_path / "run.sw"
    with started("load", url, "--rate", "200/s", "--for", "60s", "--workers", "2", "--out", str(out)) as command:
        command.until(lambda: scaleworthy("report", str(out)).says("answered"))
        command.signal(signal.SIGINT)
        ended = command.end()

    assert ended.status in (0, 3)  # 3 where the machine was too busy for a punctual start
    assert ended.says("the run was stopped before its end", "failed 0", f"recorded: {out}")
    assert scaleworthy("report", str(out)).says("the run was stopped before its end")


def test_a_second_ctrl_c_cuts_what_is_under_way_in_every_worker(started: Callable[..., Started]) -> None:
    server = NullServer(service_time_ns=50 * 10**9)
    url = f"http://127.0.0.1:{server.port}/"
    try:
        with started("load", url, "--users", "4", "--for", "60s", "--workers", "2") as command:
            command.until(lambda: server.requests == 4)
            command.signal(signal.SIGINT)
            command.until("stopping")
            command.signal(signal.SIGINT)
            ended = command.end()
    finally:
        server.stop()

    assert ended.status == 1
    assert ended.says("the run was aborted before its end", "error         cut 4")


def test_a_terminated_assessment_says_where_its_recording_is(
    url: str, started: Callable[..., Started], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    with started("assess", url, "--quick", "--out", str(out)) as command:
        command.until("requests/s")
        # One whole second of load is in the file.
        command.until(lambda: scaleworthy("report", str(out / "assess.sw")).status == 0)
        command.signal(signal.SIGTERM)
        ended = command.end()

    assert ended.status == 130
    assert ended.says(f"scaleworthy report {out / 'assess.sw'}", "stopped")
    assert scaleworthy("report", str(out / "assess.sw")).says("planned")


def test_a_target_that_ends_within_the_search_is_said_and_has_no_limit() -> None:
    """Refused connections are no broken objective: a limit from them would be that of a service that is not there."""
    server = NullServer()
    plan = plan_for_url(f"http://127.0.0.1:{server.port}/", seed=1)
    run = prepare(plan, live=live_load("rate"))
    run.start()
    driver = EngineDriver(run)
    driver.set_level(200.0)
    try:
        driver.next_second()
        driver.next_second()
        server.stop()
        with pytest.raises(TargetError, match="the target is gone"):
            deque((driver.next_second() for _ in range(3 * GONE_AFTER_S)), maxlen=0)
    finally:
        run.abort()
