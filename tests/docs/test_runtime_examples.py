"""Every example of the runtime runs to its end, and says what it found."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from .pages import ROOT

EXAMPLES = sorted((ROOT / "examples" / "runtime").glob("*.py"))


def promised_by(path: Path) -> list[str]:
    """Return the lines that its docstring shows behind "prints:", where it does; `…` stands for what differs."""
    docstring = ast.get_docstring(ast.parse(path.read_text("utf-8"))) or ""
    _, _, shown = docstring.partition("prints:\n\n")
    return [line.removeprefix("    ") for line in shown.splitlines()]


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_the_example_runs(path: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", path], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=90
    )

    assert done.returncode == 0, done.stderr[-2_000:]
    assert done.stderr == ""
    assert done.stdout.strip()
    promised = promised_by(path)
    wanted = "\n".join(".*".join(map(re.escape, line.split("…"))) for line in promised)
    assert not promised or re.fullmatch(wanted, done.stdout.rstrip("\n")), done.stdout
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_the_page_of_its_part_leads_to_it(path: Path) -> None:
    pages = (ROOT / "docs" / "runtime").glob("*.md")
    assert any(f"../../examples/runtime/{path.name}" in page.read_text("utf-8") for page in pages)
