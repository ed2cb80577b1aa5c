"""What the README shows as output was printed by the command beside it, and is kept with the machine and date."""

from __future__ import annotations

import json

import pytest

from .pages import ROOT


def figure(value: float) -> str:
    """As the README shows it: three digits, thousands whole."""
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"


KEPT = sorted((ROOT / "benchmarks" / "runs").glob("*/*.txt"))


@pytest.mark.parametrize("path", KEPT, ids=lambda path: path.name)
def test_the_output_in_the_readme_is_the_output_that_was_kept(path) -> None:
    shown = (ROOT / "README.md").read_text("utf-8")

    assert path.read_text("utf-8").strip() in shown, f"the README does not show {path.name} as it was printed"


@pytest.mark.parametrize("name", ["speed", "runtime"])
def test_every_figure_of_the_tables_in_the_readme_is_in_a_kept_run(name: str) -> None:
    """The README's tables have a row a bar; each is a row of a kept run, to three digits."""
    text = (ROOT / "README.md").read_text("utf-8")
    table = text.split(f"<!-- {name} -->")[1].split(f"<!-- /{name} -->")[0]
    rows = [line.split("|")[1:-1] for line in table.splitlines() if line.startswith("| ") and "---" not in line][1:]
    known = {
        (row["what"], figure(row["ours"]))
        for run in (ROOT / "benchmarks" / "runs").glob("*/*.json")
        for row in json.loads(run.read_text())["rows"]
        if row["ours"] is not None
    }

    assert rows
    assert [cells[0].strip() for cells in rows if (cells[0].strip(), cells[1].split()[0]) not in known] == []
