"""Every example of the runtime runs to its end, and says what it found."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from .pages import ROOT

EXAMPLES = sorted((ROOT / "examples" / "runtime").glob("*.py"))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_the_example_runs(path: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", path], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=90
    )

    assert done.returncode == 0, done.stderr[-2_000:]
    assert done.stderr == ""
    assert done.stdout.strip()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_the_page_of_its_part_leads_to_it(path: Path) -> None:
    assert f"../../examples/runtime/{path.name}" in (ROOT / "docs" / "runtime" / f"{path.stem}.md").read_text("utf-8")
