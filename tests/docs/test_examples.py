"""Every example is one that works."""

from __future__ import annotations

import os
import re
import runpy
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from scaleworthy._native import NullServer
from scaleworthy.config import load_config
from scaleworthy.load import load_plan
from scaleworthy.series import Recording
from scaleworthy.switchboard.seed.generate import Generator
from scaleworthy.switchboard.seed.size import SIZES

from .pages import ROOT

FOLDER = ROOT / "examples"


def is_a_plan(path: Path) -> bool:
    return bool(load_plan(path).objectives)


def is_a_configuration(path: Path) -> bool:
    config = load_config(
        path, environ={"DATABASE_URL": "postgresql://a@127.0.0.1/b", "CACHE_URL": "redis://127.0.0.1/0"}
    )
    return config.plan is not None and bool(config.plan.scenarios)


def is_the_keys_of_the_small_data(path: Path) -> bool:
    tenants = next(Generator(SIZES["small"], seed=1, until=datetime(2026, 1, 1, tzinfo=UTC)).tables())
    first, *keys = path.read_text().split()
    return first == "key" and sorted(keys) == sorted(tenants.values[tenants.columns.index("key")])


def is_shell(path: Path) -> bool:
    return os.access(path, os.X_OK) and subprocess.run(["sh", "-n", path]).returncode == 0


def is_python(path: Path) -> bool:
    return bool(compile(path.read_text("utf-8"), path.name, "exec"))


def is_a_scenario(path: Path) -> bool:
    return load_plan(path, target="http://127.0.0.1:8000").python is not None


def lists_every_file(path: Path) -> bool:
    return set(re.findall(r"\]\(([^)]+)\)", path.read_text("utf-8"))) == {
        str(one.relative_to(FOLDER)) for one in FOLDER.rglob("*") if one.is_file() and one != path
    }


KINDS: dict[str, Callable[[Path], bool]] = {
    "first.yaml": is_a_plan,
    "users.yaml": is_a_plan,
    "working-day.yaml": is_a_plan,
    "voice.yaml": is_a_plan,
    "scaleworthy.yaml": is_a_configuration,
    "tenants.csv": is_the_keys_of_the_small_data,
    "ci-gate.sh": is_shell,
    "echo.py": is_python,
    "load_from_python.py": is_python,
    "calls.py": is_a_scenario,
    "README.md": lists_every_file,
}


@pytest.mark.parametrize(
    "path", sorted(path for path in FOLDER.iterdir() if path.is_file()), ids=lambda path: path.name
)
def test_the_example_is_what_it_says(path: Path) -> None:
    assert KINDS[path.name](path)


def test_the_python_example_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    measure = runpy.run_path(str(FOLDER / "load_from_python.py"))["measure"]
    server = NullServer()
    try:
        status = measure(f"http://127.0.0.1:{server.port}/", tmp_path / "run.sw", duration="1s")
    finally:
        server.stop()

    assert status in (0, 3)  # 3: this machine is too busy to measure, which is no fault of the example
    assert "20 of 20 answered" in capsys.readouterr().out
    with Recording.open(tmp_path / "run.sw") as recording:
        assert recording.total("load.answered") == 20
