"""Every number of a search has its line in docs/reference/measurements.md."""

from __future__ import annotations

import re
from dataclasses import fields
from typing import get_args, get_type_hints

from scaleworthy.load import Limit, Probe

from .pages import DOCS

PAGE = (DOCS / "reference" / "measurements.md").read_text("utf-8")


def documented(start: str, end: str) -> set[str]:
    section = PAGE.partition(start)[2].partition(end)[0]
    rows = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]
    return {name for row in rows for name in re.findall(r"`(\w+)`", row)}


def test_every_field_of_a_limit_is_defined() -> None:
    assert documented("A **limit**", "A **probe**") == {field.name for field in fields(Limit)} - {"unit"}


def test_every_way_a_search_ends_is_defined() -> None:
    row = next(line for line in PAGE.splitlines() if line.startswith("| `stopped_by`"))

    assert set(re.findall(r"`([\w-]+)`", row)) == {"stopped_by", *get_args(get_type_hints(Limit)["stopped_by"])}


def test_every_field_of_a_probe_is_defined() -> None:
    named = documented("A **probe**", "\n**How good.**")

    assert named | {"start_s", "end_s"} == {field.name for field in fields(Probe)}
