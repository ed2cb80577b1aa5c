"""`scaleworthy report`: the same summary again, from the file alone."""

import json
from pathlib import Path

import pytest
from tests.cli.conftest import Ended, scaleworthy

from scaleworthy._native import NullServer


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Ended]:
    path = tmp_path_factory.mktemp("runs") / "run.sw"
    server = NullServer()
    url = f"http://127.0.0.1:{server.port}/"
    words = ("--users", "2", "--count", "300", "--objective", "p95 < 1ns", "--out", str(path), "--json", "-")
    ended = scaleworthy("load", url, *words)
    server.stop()
    return path, ended


def test_the_summary_is_the_same_as_the_runs_own(recorded: tuple[Path, Ended]) -> None:
    path, ended = recorded
    again = scaleworthy("report", str(path), "--json", "-")
    assert json.loads(again.out) == json.loads(ended.out)
    assert again.status == ended.status == 1


def test_the_page_is_written(recorded: tuple[Path, Ended], tmp_path: Path) -> None:
    page, same = tmp_path / "run.html", tmp_path / "same.html"
    ended = scaleworthy("report", str(recorded[0]), "--html", str(page), "--export", str(same))
    assert page.read_text().lstrip().lower().startswith("<!doctype html>")
    assert same.read_text()[:500] == page.read_text()[:500]
    assert ended.err.count("written: ") == 2


@pytest.mark.parametrize("content", [None, b"", b"no recording at all"])
def test_what_is_no_recording_is_said(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "run.sw"
    if content is not None:
        path.write_bytes(content)
    ended = scaleworthy("report", str(path))
    assert ended.status in (1, 2)
    assert str(path) in ended.err
    assert "hint: " in ended.err
