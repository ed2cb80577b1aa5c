"""`scaleworthy watch`: a line for each run, and the history they leave."""

from pathlib import Path

from tests.cli.conftest import scaleworthy

from scaleworthy._native import NullServer


def test_each_run_is_a_line_and_stays_in_the_history(tmp_path: Path) -> None:
    server = NullServer()
    url, history = f"http://127.0.0.1:{server.port}/", str(tmp_path / "h.sqlite")
    words = ("watch", url, "--users", "2", "--for", "200ms", "--every", "1ms", "--history", history)
    ended = scaleworthy(*words, "--count", "2")
    server.stop()

    assert ended.status == 0
    assert len(ended.out.splitlines()) == 2
    assert all("p95 " in line and "failed 0 %" in line for line in ended.out.splitlines())
    shown = scaleworthy(*words, "--show")
    assert shown.out == ended.out


def test_a_target_that_is_gone_is_told_and_tried_again(tmp_path: Path) -> None:
    server = NullServer()
    port = server.port
    server.stop()
    words = ("watch", f"http://127.0.0.1:{port}/", "--history", str(tmp_path / "h.sqlite"), "--every", "1ms")
    ended = scaleworthy(*words, "--count", "3")
    assert ended.status == 1
    assert ended.out.count("not reached: ") == 3
    refused = scaleworthy(*words, "--count", "0")
    assert refused.status == 2
    assert "--count must be at least 1" in refused.err
