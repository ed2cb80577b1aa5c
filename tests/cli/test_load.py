"""`scaleworthy load`: flags, exit status, clean JSON, Ctrl-C."""

import inspect
import json
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tests.cli.conftest import scaleworthy

from scaleworthy._native import NullServer
from scaleworthy.cli.find_limit import find_limit
from scaleworthy.cli.load import load
from scaleworthy.cli.report import report
from scaleworthy.load.summary import FIELDS


def test_the_flags_are_those_of_the_help_and_each_has_a_line() -> None:
    shown = set(re.findall(r"^│ (?:\* +)?(--[a-z-]+)", scaleworthy("load", "--help").out, re.MULTILINE))
    assert shown == {
        "--target", "--rate", "--users", "--for", "--count", "--stages", "--test", "--intensity", "--users-arrive", "--iterations",
        "--arrivals", "--gamma-shape", "--replay", "--replay-speed", "--warm-up",
        "--connections-max", "--http", "--streams-max", "--insecure", "--ca", "--proxy", "--workers", "--seed", "--i-own", "--environment",
        "--objective", "--abort-on-breach", "--out", "--export", "--push", "--json",
    }  # fmt: skip


@pytest.mark.parametrize("command", [load, find_limit, report])
def test_every_parameter_is_explained(command: object) -> None:
    text = inspect.getdoc(command) or ""
    for name in inspect.signature(command).parameters:  # type: ignore[arg-type]
        assert re.search(rf"^    {name}: \S", text, re.MULTILINE), name


def test_a_run_that_holds_ends_with_0_and_says_so(url: str, server: NullServer) -> None:
    ended = scaleworthy("load", url, "--users", "2", "--count", "50", "--seed", "7", "--objective", "failed < 1%")
    assert ended.status == 0
    assert "planned 50   answered 50   failed 0   not started 0" in ended.out
    assert "reading: " in ended.out
    assert "seed 7" in ended.err
    assert server.requests == 50


def test_json_is_alone_on_stdout(url: str) -> None:
    ended = scaleworthy("load", url, "--users", "2", "--count", "20", "--json", "-")
    assert tuple(json.loads(ended.out)) == FIELDS
    assert "planned 20" in ended.err


def test_json_goes_to_a_file_and_the_text_to_stdout(url: str, tmp_path: Path) -> None:
    ended = scaleworthy("load", url, "--users", "2", "--count", "20", "--json", str(tmp_path / "s.json"))
    assert json.loads((tmp_path / "s.json").read_text())["answered"] == 20
    assert "planned 20" in ended.out


def test_a_broken_objective_ends_with_1(url: str) -> None:
    ended = scaleworthy("load", url, "--users", "1", "--count", "200", "--objective", "p95 < 1ns")
    assert ended.status == 1
    assert "broken: p95 < 1ns" in ended.out


def test_nothing_answered_ends_with_1(url: str, server: NullServer) -> None:
    server.stop()
    ended = scaleworthy("load", url, "--users", "1", "--count", "5")
    assert ended.status == 1
    assert "connection refused, nothing listens there" in ended.err
    assert "hint: start the service first" in ended.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--rate", "5/s", "--users", "3"], "--rate and --users exclude each other"),
        (["--rate", "5/s", "--for", "3s", "--count", "9"], "--for and --count exclude each other"),
        (["--rate", "fast"], "--rate: a rate is a number per time, such as 500/s"),
        (["--stages", "2m"], "--stages: stage 1 must be duration:level"),
        (["--objective", "p95 < 5"], "--objective: "),
        (["--objective", "p95(load.respnse_time) < 5ms"], "load.response_time"),
        (["--connections-max", "0"], "--connections-max: must be at least 1"),
        (["--target", "http://127.0.0.1:1/"], "--target is for a plan file"),
        (["--json", "/nonexistent/folder/s.json"], "there is no folder"),
    ],
)
def test_what_cannot_be_ends_with_2_and_sends_nothing(
    url: str, server: NullServer, words: list[str], said: str
) -> None:
    ended = scaleworthy("load", url, *words)
    assert ended.status == 2
    assert said in ended.err
    assert server.requests == 0


def test_a_plan_files_parts_are_replaced_by_the_command_line(url: str, server: NullServer, tmp_path: Path) -> None:
    plan = tmp_path / "plan.yaml"
    plan.write_text(
        "target: http://127.0.0.1:1\n"
        "scenarios: [{name: s, steps: [{get: /a, name: first}, {get: /b, name: second}]}]\n"
        "load: {rate: 1/s, for: 1h}\nobjectives: ['p95 < 1ns']\n"
    )
    ended = scaleworthy(
        "load", str(plan), "--target", url, "--users", "2", "--count", "10", "--objective", "failed < 1%", "--json", "-"
    )
    assert ended.status == 0
    summary = json.loads(ended.out)
    assert set(summary["steps"]) == {"first", "second"}
    assert [item["text"] for item in summary["objectives"]] == ["failed < 1%"]
    assert server.requests_by_path == {"/a": 10, "/b": 10}


def test_how_often_alone_keeps_the_plans_own_level(url: str, server: NullServer) -> None:
    ended = scaleworthy("load", url, "--count", "9", "--json", "-")
    assert json.loads(ended.out)["started"] == 9
    assert server.requests == 9


def test_a_recording_is_not_overwritten(url: str, tmp_path: Path) -> None:
    path = tmp_path / "run.sw"
    path.write_bytes(b"precious")
    ended = scaleworthy("load", url, "--users", "1", "--count", "1", "--out", str(path))
    assert ended.status == 2
    assert path.read_bytes() == b"precious"


def interrupted(url: str, out: Path, signals: int) -> tuple[int, str, str]:
    """Start a long run, send Ctrl-C once its progress shows, again if asked, and return how it ended."""
    words = [sys.executable, "-m", "scaleworthy", "load", url, "--users", "3", "--for", "10m", "--out", str(out)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        said = ""
        while "answered" not in said:  # the first progress line: the run is under way
            said += process.stderr.readline()
        process.send_signal(signal.SIGINT)
        if signals > 1:
            while "stopping" not in said:
                said += process.stderr.readline()
            process.send_signal(signal.SIGINT)
        rest_out, rest_err = process.communicate(timeout=30)
    return process.returncode, rest_out, said + rest_err


def test_ctrl_c_ends_a_run_with_its_results_kept(url: str, tmp_path: Path) -> None:
    status, out, err = interrupted(url, tmp_path / "run.sw", 1)
    assert status in (0, 3)  # three users without think time may well use up the generator's core
    assert "the run was stopped before its end" in out
    assert "Traceback" not in err
    assert re.search(r"planned [\d,]+   answered [1-9]", out)
    assert "the run was stopped" in scaleworthy("report", str(tmp_path / "run.sw")).out


def test_ctrl_c_twice_cuts_what_is_under_way(tmp_path: Path) -> None:
    """The target takes 20 s for an answer: the first Ctrl-C waits for it, the second does not."""
    server = NullServer(service_time_ns=20 * 10**9)
    status, out, err = interrupted(f"http://127.0.0.1:{server.port}/", tmp_path / "run.sw", 2)
    server.stop()
    assert status == 1
    assert "the run was aborted before its end" in out
    assert re.search(r"error +cut 3", out)
    assert "Traceback" not in err
