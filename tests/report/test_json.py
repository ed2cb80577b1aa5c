"""The JSON report gives the same report back, and refuses what is none."""

from __future__ import annotations

import json as standard
from dataclasses import replace

import pytest
from tests.report import sample

from scaleworthy.errors import InvalidInput
from scaleworthy.report import json
from scaleworthy.report.model import Measured


@pytest.mark.parametrize("name", ["sample_report", "load_report", "empty_report", "hostile_report"])
def test_a_report_comes_back_equal(name: str) -> None:
    report = getattr(sample, name)()

    assert json.parse(json.render(report)) == report


def test_infinity_is_valid_json_and_comes_back() -> None:
    report = sample.sample_report()
    change = replace(report.changes[0], after=Measured(float("inf"), "ms"), ratio=float("-inf"))
    report = replace(report, changes=(change,))
    text = json.render(report)

    standard.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    assert json.parse(text) == report


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "line 1, column 2"),
        ("[]", "schema: 1 is wanted, got 'list'"),
        ('{"schema": 2}', "schema: 1 is wanted, got 2"),
        ('{"schema": 1, "title": 3}', "title"),
    ],
)
def test_what_is_no_report_is_refused_with_its_place(text: str, said: str) -> None:
    with pytest.raises(InvalidInput, match=said.replace("[", r"\[")):
        json.parse(text)
