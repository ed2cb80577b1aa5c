"""The verdict in a terminal: everything that decides, and no control characters from a target."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from rich.console import Console
from tests.report import sample

from scaleworthy.report.terminal import print_verdict


def printed(report, width: int = 100) -> str:
    out = io.StringIO()
    print_verdict(report, Console(file=out, width=width, force_terminal=False))
    return out.getvalue()


def test_answer_scores_grade_and_what_to_do_now_are_printed() -> None:
    text = printed(sample.sample_report())

    for wanted in (
        "Will it take 100×? With changes",
        "41.2 requests/s",
        "5.4",
        "7.8",
        "6.1",
        "C+",
        "1. Create the index",
    ):
        assert wanted in text
    assert "Drop the second one" not in text  # its priority is `next`


@pytest.mark.parametrize("name", ["sample_report", "load_report", "empty_report", "hostile_report"])
def test_no_line_is_wider_than_the_terminal(name: str) -> None:
    assert max(len(line) for line in printed(getattr(sample, name)(), width=60).splitlines()) <= 60


def test_markup_and_escape_sequences_are_printed_not_obeyed() -> None:
    text = printed(replace(sample.empty_report(), title="[red]x[/red]\x1b[2J\x07", verdict="[bold]y"))

    assert "[red]x[/red][2J" in text
    assert "[bold]y" in text
    assert "\x1b" not in text
