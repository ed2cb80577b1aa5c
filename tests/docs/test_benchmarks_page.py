"""docs/benchmarks.md is what the kept runs say."""

from __future__ import annotations

import runpy

from .pages import ROOT


def test_the_page_is_up_to_date() -> None:
    made = runpy.run_path(str(ROOT / "scripts" / "benchmarks_page.py"))["page"]()

    assert (ROOT / "docs" / "benchmarks.md").read_text("utf-8") == made, "run scripts/benchmarks_page.py"
