"""docs/reference/cli.md is what the commands' help says."""

from __future__ import annotations

import runpy
import subprocess
import sys

from .pages import ROOT

SCRIPT = ROOT / "scripts" / "cli_reference.py"


def test_the_page_is_up_to_date() -> None:
    made = runpy.run_path(str(SCRIPT))["page"]()

    assert (ROOT / "docs" / "reference" / "cli.md").read_text("utf-8") == made, "run scripts/cli_reference.py --write"


def test_the_script_prints_the_page() -> None:
    printed = subprocess.run([sys.executable, SCRIPT], capture_output=True, text=True, check=True).stdout

    assert printed.startswith("# Commands")
    assert "### scaleworthy switchboard serve" in printed
