"""The verdict and the scores for a terminal: what somebody reads while the page opens."""

from __future__ import annotations

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from scaleworthy.report import outline
from scaleworthy.report.model import Report

WIDTH = 100  # lines longer than this are hard to read, however wide the terminal
_STYLES = {"yes": "bold green", "with changes": "bold yellow", "no": "bold red", "unknown": "bold"}


def print_verdict(report: Report, console: Console) -> None:
    """Print the answer, the verdict, key figures, grade and scores, and what to do now.

    All text is printed as it is: nothing in it is read as markup or as an escape sequence.
    """
    width = min(WIDTH, console.width)
    console.print()
    console.print(_plain(report.title), width=width)
    answer = Text.assemble(f"{_plain(report.question)} ", (outline.ANSWERS[report.answer], _STYLES[report.answer]))
    console.print(answer, width=width)
    console.print()
    console.print(_plain(report.verdict), width=width)
    if figures := outline.key_figures(report):
        console.print()
        console.print(_figures(figures), width=width)
    if report.scores:
        console.print()
        console.print(_scores(report), width=width)
    if now := [item for item in report.recommendations if item.priority == "now"]:
        console.print()
        console.print(Text("What to do now"), width=width)
        for index, item in enumerate(now, 1):
            gain = f" ({item.gain})" if item.gain else ""
            console.print(Padding(_plain(f"{index}. {item.title}{gain}"), (0, 0, 0, 2)), width=width)
    console.print()


def _figures(figures: list[outline.Figure]) -> Table:
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0), pad_edge=False)
    for figure in figures:
        value = " ".join(part for part in (figure.value, figure.unit) if part)
        table.add_row(_plain(figure.label), Text(_plain(value).plain, style="bold"), _plain(figure.beside))
    return table


def _scores(report: Report) -> Table:
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0), pad_edge=False)
    for score in report.scores:
        table.add_row(_plain(score.name), Text(f"{score.value:.1f}", style="bold"), "of 10")
    if report.grade:
        table.add_row("Grade", Text(_plain(report.grade).plain, style="bold"), "")
    return table


def _plain(text: str) -> Text:
    """Return *text* without control characters: a target's answer must not move the cursor of whoever reads."""
    return Text("".join(char for char in text if char == "\n" or char.isprintable()))
