"""The HTML page: complete, self-contained, safe, and small."""

from __future__ import annotations

import gzip
import itertools
import re
from html.parser import HTMLParser

import pytest
from tests.report.pages import page
from tests.report.sample import load_report, sample_report
from tests.report.sample_findings import HOSTILE

from scaleworthy.report import html, numbers

REPORTS = ["sample_report", "load_report", "empty_report", "hostile_report"]
VOID = {"meta", "br", "img", "input", "hr", "link"}


class Reader(HTMLParser):
    """Reads a page as a browser would, and keeps what the tests ask about."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag, f"</{tag}> closes another element"

    def handle_data(self, data: str) -> None:
        self.text.append(data)


@pytest.mark.parametrize("name", REPORTS)
def test_every_element_is_closed_by_its_own_end(name: str) -> None:
    assert Reader(page(name)).open == []


@pytest.mark.parametrize("name", REPORTS)
def test_nothing_is_loaded_from_anywhere(name: str) -> None:
    """No element names another file or host, and the policy forbids it besides."""
    reader = Reader(page(name))
    asked = [
        attrs[a]
        for _, attrs in reader.tags
        for a in ("src", "srcset", "href", "xlink:href", "action", "data")
        if a in attrs
    ]

    assert [target for target in asked if not str(target).startswith("#")] == []
    assert "url(" not in re.sub(r"url\(#[\w-]+\)", "", page(name))
    assert "@import" not in page(name)
    policy = next(
        attrs["content"] for tag, attrs in reader.tags if attrs.get("http-equiv") == "Content-Security-Policy"
    )
    assert policy is not None
    assert policy.startswith("default-src 'none'")


def test_hostile_text_stays_text_wherever_it_comes_from() -> None:
    reader = Reader(page("hostile_report"))
    said = "".join(reader.text)

    assert [tag for tag, _ in reader.tags if tag in ("img", "template", "iframe")] == []
    assert sum(tag == "script" for tag, _ in reader.tags) == 1
    assert not [name for _, attrs in reader.tags for name in attrs if name.startswith("on")]
    assert said.count(HOSTILE) > 40
    assert "49" not in re.findall(r"alert\(2\)>(\d+)", said)  # {{ 7*7 }} was not computed


def test_every_id_is_there_once_and_every_reference_has_its_target() -> None:
    reader = Reader(page("sample_report"))
    ids = [attrs["id"] for _, attrs in reader.tags if "id" in attrs]
    references = [str(v)[1:] for _, attrs in reader.tags for k, v in attrs.items() if k == "href"]
    references += re.findall(r"url\(#([\w-]+)\)", page("sample_report"))

    assert len(ids) == len(set(ids))
    assert set(references) <= set(ids)


@pytest.mark.parametrize("name", REPORTS)
def test_the_page_is_under_500_kb_compressed(name: str) -> None:
    assert len(gzip.compress(page(name).encode())) < 500_000


@pytest.mark.parametrize("name", REPORTS)
def test_headings_never_skip_a_level(name: str) -> None:
    levels = [int(tag[1]) for tag, _ in Reader(page(name)).tags if re.fullmatch(r"h[1-6]", tag)]

    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))


@pytest.mark.parametrize("name", ["sample_report", "load_report"])
def test_every_table_has_a_caption_and_every_heading_cell_a_scope(name: str) -> None:
    tags = Reader(page(name)).tags

    assert sum(tag == "table" for tag, _ in tags) == sum(tag == "caption" for tag, _ in tags) > 0
    assert all(attrs.get("scope") in ("col", "row") for tag, attrs in tags if tag == "th")


def test_every_chart_has_a_text_alternative() -> None:
    charts = [attrs for tag, attrs in Reader(page("sample_report")).tags if tag == "svg"]

    assert len(charts) == 2 * 7  # three about the limit, four panels; each for a desk and for a phone
    assert all(chart["role"] == "img" and len(chart["aria-label"] or "") > 30 for chart in charts)


def test_every_number_of_the_model_is_on_the_page() -> None:
    report, said = sample_report(), "".join(Reader(page("sample_report")).text)
    wanted = [f"{score.value:.1f}" for score in report.scores]
    for change in report.changes:
        wanted += [numbers.quantity(change.before.value, change.before.unit), numbers.times(change.ratio)]
    for row in report.capacity:
        wanted += [numbers.quantity(row.usage.value, row.usage.unit), numbers.share(row.headroom_ratio)]
    for size in report.growth:
        wanted += [numbers.count(size.users), numbers.quantity(size.monthly_cost.value, size.monthly_cost.unit)]
        wanted += [numbers.size(size.data_bytes), numbers.size(size.storage_bytes)]
    for probe in (probe for stage in report.stages for probe in stage.probes):
        wanted += [
            numbers.quantity(probe.level, "/s"),
            numbers.nanoseconds(probe.response.p95_ns),
            numbers.count(probe.answered),
        ]
        wanted += [
            numbers.nanoseconds(probe.response.p99_ns),
            numbers.count(probe.not_started),
            numbers.share(probe.margin),
        ]
    for finding in report.findings:
        wanted += [numbers.quantity(e.value, e.unit) for e in finding.evidence]
        wanted += list(finding.fix.statements if finding.fix else ())
    plain = said.replace("\u00a0", " ")

    assert [text for text in wanted if text not in plain] == []


def test_every_number_of_a_load_run_is_on_the_page() -> None:
    run, said = load_report().load_runs[0], "".join(Reader(page("load_report")).text)
    wanted = [numbers.count(n) for n in (run.planned, run.started, run.answered, run.failed, run.not_started)]
    for q in (run.response, run.service, run.lag, *(s.response for s in run.steps), *(s.service for s in run.steps)):
        wanted += [
            numbers.nanoseconds(v) for v in (q.p50_ns, q.p90_ns, q.p95_ns, q.p99_ns, q.p999_ns, q.max_ns, q.mean_ns)
        ]
    wanted += [example for _, _, example in run.errors] + [status for status, _ in run.statuses]

    assert [text for text in wanted if text not in said] == []


def test_an_empty_report_has_no_empty_sections() -> None:
    """What a report does not know is left out: verdict and method remain."""
    sections = [attrs["id"] for tag, attrs in Reader(page("empty_report")).tags if tag == "section"]

    assert sections == ["method"]


def test_the_full_report_has_every_section_but_the_load_run() -> None:
    sections = [attrs["id"] for tag, attrs in Reader(page("sample_report")).tags if tag == "section"]

    assert sections == [section.id for section in html.SECTIONS if section.id != "load"]
