"""What cannot run is refused before the start: every instance at once, with line, column and what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from scaleworthy.errors import UsageError
from scaleworthy.load import Wishes, read_plan

from .scripts import CONFIG, flow, problems_of


def test_every_unknown_key_is_named_with_its_place_and_the_nearest_known_one(tmp_path: Path) -> None:
    script = (
        "config:\n  target: http://127.0.0.1:1\n  phasess: []\n  http: {timeot: 3}\n  phases: [{duration: 1, arrivalRate: 1}]\n"
        "scenaros: []\nscenarios:\n  - nam: x\n    flow:\n      - get: {url: /, jsn: {}}\n      - thnk: 3\n"
    )
    assert problems_of(tmp_path, script) == (
        "artillery.yml:3:3: config.phasess: unknown key; did you mean 'phases'?",
        "artillery.yml:4:10: config.http.timeot: unknown key; did you mean 'timeout'?",
        "artillery.yml:6:1: scenaros: unknown key; did you mean 'scenarios'?",
        "artillery.yml:8:5: scenarios[0].nam: unknown key; did you mean 'name'?",
        "artillery.yml:10:23: scenarios[0].flow[0].get.jsn: unknown key; did you mean 'json'?",
        "artillery.yml:11:9: scenarios[0].flow[1].thnk: unknown key; did you mean 'think'?",
    )


def test_javascript_is_refused_wherever_it_is_asked_for(tmp_path: Path) -> None:
    script = CONFIG + (
        "  processor: ./functions.js\nscenarios:\n  - beforeScenario: login\n    flow:\n      - function: sign\n"
        "      - post: {url: /, beforeRequest: sign, afterResponse: [log]}\n"
    )
    found = problems_of(tmp_path, script)

    assert [text.split(": ")[1] for text in found] == [
        "config.processor",
        "scenarios[0].beforeScenario",
        "scenarios[0].flow[0].function",
        "scenarios[0].flow[1].post.beforeRequest",
        "scenarios[0].flow[1].post.afterResponse",
    ]
    assert all("JavaScript is not run" in text for text in found)


def test_keys_that_stand_beside_the_method_are_said_to_belong_inside(tmp_path: Path) -> None:
    assert problems_of(tmp_path, flow("- get:\n  url: /a")) == (
        "artillery.yml:7:9: scenarios[0].flow[0]: url must stand inside get: indent by two more",
    )


def test_a_script_in_javascript_is_refused_by_its_name(tmp_path: Path) -> None:
    path = tmp_path / "test.ts"
    path.write_text("export const config = {};\n")

    with pytest.raises(UsageError, match="is JavaScript, which is not run"):
        read_plan(path)


def test_an_environment_is_for_artillery_scripts_alone(tmp_path: Path) -> None:
    path = tmp_path / "plan.yaml"
    path.write_text("target: http://127.0.0.1:1\nscenarios: [{name: a, steps: [{get: /}]}]\n")

    assert read_plan(path).plan.scenarios[0].name == "a"
    with pytest.raises(UsageError, match="is a plan file"):
        read_plan(path, Wishes(environment="staging"))
