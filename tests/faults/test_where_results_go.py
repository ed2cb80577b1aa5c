"""Results that cannot be written: said before the work begins, and what was measured is shown all the same."""

from __future__ import annotations

import os
import resource
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from faults.ending import scaleworthy

FILE_MOST_BYTES = 40_000
SHORT = ("--rate", "20/s", "--for", "1s")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("load", "URL", *SHORT, "--json", "FOLDER"), "it is a folder"),
        (("load", "URL", *SHORT, "--json", "FOLDER/no/x.json"), "there is no folder"),
        (("report", "FILE", "--html", "FOLDER"), "it is a folder"),
        (("assess", "URL", "--out", "FILE"), "is a file, not a folder"),
        (("demo", "--out", "FILE"), "is a file, not a folder"),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else "",
)
def test_a_place_that_cannot_be_is_refused_before_anything_runs(
    words: tuple[str, ...], said: str, url: str, tmp_path: Path
) -> None:
    file, folder = tmp_path / "file", tmp_path / "folder"
    file.write_text("precious")
    folder.mkdir()
    named = {"URL": url, "FILE": str(file)}
    given = [named.get(word, word.replace("FOLDER", str(folder))) for word in words]

    ended = scaleworthy(*given)

    assert ended.status == 2
    assert ended.says("error: ", said, "hint: ")
    assert file.read_text() == "precious"
    assert sorted(tmp_path.iterdir()) == [file, folder]


def test_a_target_that_was_not_there_yet_leaves_no_file_in_the_way(url: str, tmp_path: Path) -> None:
    """The same command works once the service is up."""
    out = tmp_path / "run.sw"
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        closed = f"http://127.0.0.1:{free.getsockname()[1]}/"
        first = scaleworthy("load", closed, *SHORT, "--out", str(out))

    assert first.status == 1
    assert first.says("nothing listens there", "start the service first")
    assert list(tmp_path.iterdir()) == []
    assert scaleworthy("load", url, *SHORT, "--out", str(out)).status == 0


def test_a_full_disk_ends_the_file_and_not_the_result(url: str, tmp_path: Path) -> None:
    """A bound on the size of files stands for the disk: the recording stops, the summary is shown, its seconds are readable."""
    out, plan = tmp_path / "run.sw", tmp_path / "plan.yaml"
    # Many steps have many series, which fill the file within seconds.
    steps = "\n".join(f"      - {{get: /{number}, name: step {number}}}" for number in range(6))
    plan.write_text(f"target: {url}\nscenarios:\n  - name: many\n    steps:\n{steps}\nload: {{rate: 20/s, for: 4s}}\n")

    ended = subprocess.run(
        [sys.executable, "-m", "scaleworthy", "load", str(plan), "--out", str(out)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (FILE_MOST_BYTES, resource.RLIM_INFINITY)),
    )

    assert ended.returncode == 1
    assert "answered" in ended.stdout
    assert f"writing {out} stopped" in ended.stderr
    assert "hint: make room on that disk" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert scaleworthy("report", str(out)).says("its disk was full", "planned")


def test_a_reader_that_goes_away_does_not_change_the_verdict(url: str) -> None:
    """`| head` on a broken objective: 1 all the same."""
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as closed:
        ended = subprocess.run(
            [sys.executable, "-m", "scaleworthy", "load", url, *SHORT, "--objective", "p50 < 1ns", "--json", "-"],
            stdout=closed,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
            check=False,
        )

    assert ended.returncode == 1
    assert "objective     broken" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert "Exception" not in ended.stderr


def test_standard_output_on_a_full_disk_is_said(url: str) -> None:
    with Path("/dev/full").open("w") as full:
        ended = subprocess.run(
            [sys.executable, "-m", "scaleworthy", "load", url, *SHORT],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
            check=False,
        )

    assert ended.returncode == 1
    assert "standard output cannot be written: No space left on device" in ended.stderr
    assert "Exception" not in ended.stderr
