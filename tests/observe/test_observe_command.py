"""`scaleworthy observe` keeps what it saw, says what it could not, and refuses what makes no sense."""

from pathlib import Path

import pytest

from scaleworthy.cli.main import main
from scaleworthy.series import Recording
from scaleworthy.servers import Postgres, Valkey


def run(*words: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(["observe", *words])
    return int(ended.value.code or 0)


def test_all_sources_end_up_in_one_recording(
    server: Postgres, database: str, valkey: Valkey, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run.sw"
    pids = ["--pid", f"postgres={server.pid}", "--pid", f"valkey={valkey.pid}"]
    status = run("--database", database, "--cache", valkey.url, *pids, "--for", "200ms", "--out", str(out))

    said = capsys.readouterr().out
    assert status == 0, said
    assert f"recorded: {out}" in said
    with Recording.open(out) as recording:
        names = {key.name.partition(".")[0] for key in Recording.keys(recording)}
        assert names == {"host", "process", "postgres", "valkey", "observe"}
        assert recording.by_label("process.count", "role").keys() == {"postgres", "valkey"}
        assert recording.run["command"] == "observe"


def test_a_database_that_does_not_answer_is_said_and_the_rest_kept(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run.sw"
    assert run("--database", "postgresql://127.0.0.1:1/x", "--for", "10ms", "--out", str(out)) == 1

    said = capsys.readouterr().out
    assert "postgres cannot be observed: connection failed" in said
    assert "not seen" in said
    with Recording.open(out) as recording:
        assert recording.keys("host.memory_used")


def test_roles_that_make_no_sense_are_all_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--pid", "http", "--pid", "http=x", "--pid", "http=99999999") == 2

    said = capsys.readouterr().err
    assert "3 problems" in said
    assert "there is no process 99999999" in said


def test_a_recording_that_is_there_is_not_overwritten(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "run.sw"
    out.write_text("mine")

    assert run("--for", "10ms", "--out", str(out)) == 2
    assert out.read_text() == "mine"
    assert capsys.readouterr().err.startswith("error: ")
