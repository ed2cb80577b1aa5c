"""docs/benchmarks.md, benchmarks/runtime.md and the README's tables are what the kept runs say."""

from __future__ import annotations

import runpy

from .pages import ROOT


def test_the_page_is_up_to_date() -> None:
    made = runpy.run_path(str(ROOT / "scripts" / "benchmarks_page.py"))["pages"]()

    for path, text in made.items():
        assert path.read_text("utf-8") == text, "run scripts/benchmarks_page.py"
