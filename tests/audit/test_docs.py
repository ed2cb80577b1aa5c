"""The documentation and the code say the same."""

from __future__ import annotations

import re
from pathlib import Path

from scaleworthy.audit import discover

from . import staging

PAGE = (Path(__file__).parents[2] / "docs" / "audit.md").read_text("utf-8")


def test_every_check_has_its_row() -> None:
    rows = re.findall(r"^\| (\d{4}) \|", PAGE, re.MULTILINE)

    assert rows == [check.id.partition("/")[2][:4] for check in discover()]


def test_every_direction_of_the_sql_files_is_explained() -> None:
    words = staging._DIRECTIVE.pattern.split("(")[1].split(")")[0].split("|")

    assert sorted(re.findall(r"^\| `-- (\w+):", PAGE, re.MULTILINE)) == sorted(words)
