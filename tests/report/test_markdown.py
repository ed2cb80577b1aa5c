"""The Markdown report: tables hold, nothing from outside becomes markup, every section is there."""

from __future__ import annotations

import re

import pytest
from markdown_it import MarkdownIt
from tests.report import sample
from tests.report.sample_findings import HOSTILE

from scaleworthy.report import markdown
from scaleworthy.report.markdown_text import block, inline, table

REPORTS = ["sample_report", "load_report", "empty_report", "hostile_report"]


def tokens(text: str) -> list:
    return MarkdownIt("commonmark", {"html": True}).enable("table").parse(text)


@pytest.mark.parametrize("name", REPORTS)
def test_every_row_of_a_table_has_the_columns_of_its_head(name: str) -> None:
    text = markdown.render(getattr(sample, name)())
    outside = re.sub(r"^(`{3,})\w*\n.*?^\1$", "", text, flags=re.DOTALL | re.MULTILINE)
    tables = re.findall(r"(?:^\|.*\|$\n?)+", outside, flags=re.MULTILINE)

    for found in tables:
        widths = {len(re.findall(r"(?<!\\)\|", line)) for line in found.strip().splitlines()}
        assert len(widths) == 1, found
    assert sum(token.type == "table_open" for token in tokens(text)) == len(tables)


@pytest.mark.parametrize("name", ["sample_report", "hostile_report", "load_report"])
def test_no_text_becomes_html_or_a_link(name: str) -> None:
    found = [
        child.type
        for token in tokens(markdown.render(getattr(sample, name)()))
        for child in [token, *(token.children or [])]
        if child.type in ("html_block", "html_inline", "link_open", "image")
    ]

    assert found == []


@pytest.mark.parametrize(
    "text", [HOSTILE, "# not a heading", "- not a list", "1. not a list", "*a* _b_ [c](d) ![e](f)", "a|b", "&lt;"]
)
def test_a_line_of_text_reads_back_as_it_was(text: str) -> None:
    parsed = tokens(inline(text))

    assert [token.type for token in parsed] == ["paragraph_open", "inline", "paragraph_close"]
    assert "".join(child.content for child in parsed[1].children or []) == " ".join(text.split())


def test_a_cell_keeps_its_pipes_and_its_code() -> None:
    parsed = tokens(table(("a", "b"), [("x|y", "`p|q`")]))
    cells = [token.children[0].content for token in parsed if token.type == "inline"]

    assert cells == ["a", "b", "x|y", "p|q"]


def test_a_statement_with_a_fence_in_it_stays_inside_its_block() -> None:
    text = "SELECT 1; -- ```\n````"

    assert [token.content for token in tokens(block(text, "sql"))] == [text + "\n"]


def test_an_empty_report_says_its_verdict_and_how_it_was_measured_alone() -> None:
    headings = re.findall(r"^##? .*", markdown.render(sample.empty_report()), flags=re.MULTILINE)

    assert headings == ["# Nothing measured", "## How it was measured"]


def test_the_statements_to_run_are_whole() -> None:
    report = sample.sample_report()
    text = markdown.render(report)

    for item in report.recommendations:
        for statement in item.statements:
            assert statement in text
