"""`expect` and `match`: an answer that breaks one is a failed request."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.load.listening import Said, listening

from .scripts import CONFIG, compiled, flow, ran

PLUGIN = CONFIG + "  plugins: {expect: {}}\n"
ANSWER = Said({"id": 3, "name": "Ann", "list": [1]}, status=201, headers={"x-cache": "HIT"})


def failed(folder: Path, more: str, *, answer: Said = ANSWER, config: str = PLUGIN) -> int:
    with listening(lambda _: answer) as server:
        return ran(folder, flow(f"- get:\n    url: /\n    {more}", config=config), server.url).failed


@pytest.mark.parametrize(
    "expect",
    [
        "{statusCode: 201}", "{statusCode: [200, '201']}", "[{statusCode: 201}, {contentType: json}]", "{notStatusCode: 500}",
        "{contentType: application/json}", "{hasProperty: id}", "{hasProperty: 'list[0]'}", "{notHasProperty: error}",
        "{hasHeader: X-Cache}", "{headerEquals: [x-cache, HIT]}", "{matchesRegexp: 'A.n'}",
    ],
)  # fmt: skip
def test_what_holds(tmp_path: Path, expect: str) -> None:
    assert failed(tmp_path, f"expect: {expect}") == 0


@pytest.mark.parametrize(
    "expect",
    [
        "{statusCode: 200}", "{statusCode: [200, 204]}", "{notStatusCode: [201, 202]}", "{contentType: text/html}",
        "{hasProperty: error}", "{notHasProperty: id}", "{hasHeader: x-none}", "{headerEquals: [x-cache, HI]}", "{matchesRegexp: '^A.n$'}",
    ],
)  # fmt: skip
def test_what_does_not(tmp_path: Path, expect: str) -> None:
    assert failed(tmp_path, f"expect: {expect}") == 1


def test_json_content_may_be_of_any_json_type(tmp_path: Path) -> None:
    problem = Said({}, headers={"content-type": "application/problem+json"})
    assert failed(tmp_path, "expect: {contentType: json}", answer=problem) == 0
    assert failed(tmp_path, "expect: {contentType: json}", answer=Said("text")) == 1


def test_equals_compares_as_text_what_the_request_captures(tmp_path: Path) -> None:
    capture = "capture: {json: $.id, as: id}\n    "
    assert failed(tmp_path, capture + "expect: {equals: ['{{ id }}', '3']}") == 0
    assert failed(tmp_path, capture + "expect: {equals: ['{{ id }}', '4']}") == 1


def test_match_compares_where_a_path_leads(tmp_path: Path) -> None:
    assert failed(tmp_path, "match: {json: $.name, value: Ann}") == 0
    assert failed(tmp_path, "match: [{json: $.name, value: Bob}]") == 1


def test_a_status_is_expected_by_default_where_the_plugin_says_so(tmp_path: Path) -> None:
    strict = CONFIG + "  plugins: {expect: {expectDefault200: true}}\n"
    assert failed(tmp_path, "name: x", config=strict) == 1
    assert failed(tmp_path, "name: x") == 0


def test_expectations_hold_without_the_plugin_too_and_that_is_said(tmp_path: Path) -> None:
    steps = "- get: {url: /, expect: {statusCode: 200}}"

    assert "expect is checked here, though" in compiled(tmp_path, flow(steps)).notes[0]
    assert compiled(tmp_path, flow(steps, config=PLUGIN)).notes == ()
