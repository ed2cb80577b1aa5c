"""Every check, on a database that has its fault and on one that has not."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from scaleworthy.audit import discover, run_audit
from scaleworthy.audit.check import PIECES, Check, folders, missing_pieces

from .staging import staged

CHECKS = [pytest.param(check, id=check.id) for check in discover()]


def audit(dsn: str, check: Check, side: str, prove: str | None = None):
    with staged(dsn, (check.folder / f"{side}.sql").read_text("utf-8")) as stage:
        return run_audit(dsn, store=stage.store, clock=stage.clock, only=[check.id], prove=prove)


@pytest.mark.parametrize("folder", folders(), ids=lambda folder: folder.name)
def test_a_check_has_all_its_pieces_and_the_id_of_its_folder(folder) -> None:
    assert missing_pieces(folder) == []
    assert f"{folder.parent.name}/{folder.name}" in {check.id for check in discover()}


def test_a_folder_that_lacks_a_piece_is_named(tmp_path) -> None:
    (tmp_path / "check.py").touch()

    assert missing_pieces(tmp_path) == [piece for piece in PIECES if piece != "check.py"]


@pytest.mark.parametrize("check", CHECKS)
def test_a_check_finds_the_fault_where_it_is(check: Check, database: Callable[[], str]) -> None:
    found = audit(database(), check, "dirty", "here")

    assert {finding.verdict for finding in found} & {"warn", "fail"}, found
    for finding in found:
        assert finding.check == check.id
        assert finding.id.startswith(f"{check.key}/")
        assert finding.labels["page"] == check.id
        assert finding.impact
        assert all(fact.source for fact in finding.evidence)


@pytest.mark.parametrize("check", CHECKS)
def test_a_check_passes_where_the_fault_is_not(check: Check, database: Callable[[], str]) -> None:
    found = audit(database(), check, "clean", "here")

    assert [finding.verdict for finding in found] == ["pass"], found
    assert found[0].title == check.passes


@pytest.mark.parametrize("check", CHECKS)
def test_a_page_says_what_why_how_and_when_not(check: Check) -> None:
    headings = [line for line in check.page().splitlines() if line.startswith("#")]

    assert headings[0] == f"# {check.title}"
    assert headings[1:] == ["## What it finds", "## Why it matters", "## How to fix it", "## When to ignore it"]
