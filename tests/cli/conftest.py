"""The command line as a user meets it: a process of its own, its two outputs and its exit status."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from scaleworthy._native import NullServer


@dataclass(frozen=True, slots=True)
class Ended:
    """What a command said and how it ended."""

    status: int
    out: str
    err: str


def scaleworthy(*words: str, timeout_s: float = 60) -> Ended:
    done = subprocess.run(
        [sys.executable, "-m", "scaleworthy", *words], capture_output=True, text=True, timeout=timeout_s, check=False
    )
    assert "Traceback" not in done.stderr, done.stderr
    return Ended(done.returncode, done.stdout, done.stderr)


@pytest.fixture
def server() -> Iterator[NullServer]:
    made = NullServer()
    yield made
    made.stop()


@pytest.fixture
def url(server: NullServer) -> str:
    return f"http://127.0.0.1:{server.port}/"
