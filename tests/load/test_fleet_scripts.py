"""Python scenarios in worker processes: the file in each, setup and teardown once, whatever becomes of the run."""

from pathlib import Path
from typing import Any

import pytest

from scaleworthy._native import NullServer
from scaleworthy.errors import ScaleworthyError
from scaleworthy.load import make_plan
from scaleworthy.load.engine import EngineTick
from scaleworthy.load.fleet.coordinator import Fleet
from scaleworthy.load.prepare import prepare

SCENARIOS = """
import os
from pathlib import Path
from scaleworthy.load import User, scenario, setup, teardown

LOG = Path(__file__).with_name("log")

def note(text):
    with LOG.open("a") as log:
        log.write(text + "\\n")

note("loaded")

@setup
async def before():
    note("set up")
    return {"path": "/from-setup"}

@teardown
def after(data):
    note(f"torn down {data['path']}")

@scenario
async def visit(user: User) -> None:
    print("what a scenario prints is in nobody's way")
    await user.get(user.data["path"])
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "scenarios.py"
    file.write_text(SCENARIOS)
    return file


def log_of(file: Path) -> list[str]:
    return sorted(file.with_name("log").read_text().splitlines())


def fleet(file: Path, url: str, **load: Any) -> Fleet:
    data = {"target": url, "load": load, "seed": 1, "python": file.name, "workers": 2}
    engine = prepare(make_plan(data, folder=file.parent))
    assert isinstance(engine, Fleet)
    return engine


def followed(fleet: Fleet) -> list[EngineTick]:
    ticks = []
    while not fleet.finished:
        tick = fleet.next_tick(timeout_s=5)
        ticks += [tick] if tick is not None else []
    return ticks


def total(ticks: list[EngineTick], wanted: str) -> float:
    return sum(value for tick in ticks for name, _, _, _, value in tick.slices if name == wanted)  # type: ignore[misc]


def test_setup_and_teardown_run_once_and_every_worker_has_what_setup_returned(
    file: Path, server: NullServer, url: str
) -> None:
    run = fleet(file, url, rate="200/s", **{"for": "1s", "arrivals": "constant"})
    run.start()
    ticks = followed(run)

    assert server.requests_by_path == {"/from-setup": 200}
    assert total(ticks, "load.answered") == 200
    assert log_of(file) == ["loaded", "loaded", "loaded", "set up", "torn down /from-setup"]
    assert all(worker.cpu_s > 0 for worker in run.report())


def test_a_run_that_is_aborted_or_never_started_is_torn_down_too(file: Path, url: str) -> None:
    run = fleet(file, url, users=4, **{"for": "60s"})
    run.start()
    run.abort()
    followed(run)
    assert log_of(file).count("torn down /from-setup") == 1

    forgotten = fleet(file, url, users=4, **{"for": "60s"})
    del forgotten
    assert log_of(file).count("torn down /from-setup") == 2


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("raise RuntimeError('no database')", r"scenarios.py\", line 17, in before[\s\S]*RuntimeError: no database"),
        ("return {1, 2}", "@setup must return plain data"),
    ],
)
def test_a_setup_that_fails_ends_it_before_anything_is_sent(
    file: Path, server: NullServer, url: str, line: str, says: str
) -> None:
    file.write_text(SCENARIOS.replace('return {"path": "/from-setup"}', line))
    with pytest.raises(ScaleworthyError, match=says):
        fleet(file, url, users=4, **{"for": "60s"})

    assert server.requests == 0
    assert log_of(file) == ["loaded", "loaded", "loaded", "set up"]
