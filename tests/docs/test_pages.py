"""No page is out of reach, and no link leads nowhere."""

from __future__ import annotations

from pathlib import Path

import pytest

from scaleworthy.audit import discover

from .pages import DOCS, ROOT, anchors, links, pages


def followed(page: Path, link: str) -> tuple[Path, str]:
    path, _, anchor = link.partition("#")
    return (page.parent / path).resolve() if path else page, anchor


def reached_from(start: Path) -> set[Path]:
    found, ahead = set(), [start]
    while ahead:
        page = ahead.pop()
        if page in found or not page.is_file():
            continue
        found.add(page)
        if page.suffix == ".md":
            ahead += [followed(page, link)[0] for link in links(page)]
    return found


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_every_relative_link_leads_to_a_file_and_a_heading(page: Path) -> None:
    for link in links(page):
        target, anchor = followed(page, link)
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def test_every_page_of_docs_is_reached_from_the_index() -> None:
    reached = reached_from(DOCS / "README.md")

    assert [str(page.relative_to(DOCS)) for page in DOCS.rglob("*.md") if page not in reached] == []


def test_the_page_of_every_check_is_reached_from_the_audit() -> None:
    direct = {followed(DOCS / "audit.md", link)[0] for link in links(DOCS / "audit.md")}
    pages_of_checks = {path.parent / "page.md" for path in (ROOT / "src/scaleworthy/audit/checks").glob("*/*/check.py")}

    assert len(pages_of_checks) == len(discover())
    assert pages_of_checks - direct == set()


@pytest.mark.parametrize("page", sorted((DOCS / "guide").glob("*.md")), ids=lambda page: page.name)
def test_a_guide_is_short(page: Path) -> None:
    assert len(page.read_text("utf-8").splitlines()) <= 120
