"""A plan that cannot be carried out is refused before anything starts, with everything that is wrong in it."""

from __future__ import annotations

import json

import pytest
from engine_plans import get, open_load, plan, think

from scaleworthy._native import Run


def problems(made) -> list[str]:
    with pytest.raises(ValueError, match=r"^plan: \d+ problem") as caught:
        Run(plan_json=json.dumps(made))
    first, *lines = str(caught.value).splitlines()
    assert first == f"plan: {len(lines)} problem{'' if len(lines) == 1 else 's'}"
    return [line.strip() for line in lines]


def test_unknown_fields_are_refused_wherever_they_are_and_all_at_once():
    made = plan(80, open_load(1, 1), get(follow=True))
    made["colour"] = "red"
    made["http"]["pool"] = 3

    assert sorted(problems(made)) == [
        "colour: unknown field",
        "http.pool: unknown field",
        "scenarios[0].steps[0].follow: unknown field",
    ]


def test_values_that_cannot_be_are_listed_together():
    made = plan(0, open_load(-1, 0), get("x"), think(5, 1), http__connections_max=0, threads=0)
    made["scenarios"].append({"name": "idle", "weight": -1.0, "steps": [think(1)]})
    made["headers"] = [["bad name", "x"], ["content-length", "1"], ["x", "a\r\nb: c"]]
    made["feeders"] = [{"columns": ["a", "b"], "rows": [["1"]], "order": "random"}]
    found = problems(made)

    for wanted in (
        "target.port: must be 1 to 65535, got 0",
        "http.connections_max: must be at least 1",
        "threads: must be 1 to 256, got 0",
        "headers[0]: must be a header name",
        'headers[1]: "content-length" is set by the engine',
        "headers[2]: a header value has no control characters",
        "feeders[0].rows[0]: must have 2 values, got 1",
        "scenarios[0].steps[0].request.path: must begin with '/'",
        "scenarios[0].steps[1].think: min_ns must not be above max_ns, got 5 and 1",
        "scenarios[1].weight: must be 0 or more, got -1",
        "scenarios[1].steps: needs at least one request",
        "load.stages[0].from: must be 0 to 1e9, got -1",
        "load.stages[0].duration_ns: must be above 0",
    ):
        assert any(line.startswith(wanted) for line in found), (wanted, found)


def test_templates_patterns_and_paths_are_parsed_before_the_start():
    made = plan(
        80,
        open_load(1, 1),
        get("/{{ nmae }}", headers=[["x-a", "{{ $random(3) }}"]], body="{{ open"),
        get("/ok", expect=[{"body_matches": "("}, {"json": {"path": "id", "equals": 1}}]),
        get("/ok", extract=[{"variable": "a", "json": "$["}, {"variable": "b", "json": "$.a", "regex": "x"}]),
        feeders=[{"columns": ["name"], "rows": [["Ann"]], "order": "sequential"}],
    )
    found = problems(made)

    for wanted in (
        "scenarios[0].steps[0].request.path: nothing gives '{{ nmae }}'",
        'scenarios[0].steps[0].request.headers "x-a": built in are $n, $uuid, $random(low, high)',
        "scenarios[0].steps[0].request.body: '{{' without '}}'",
        'scenarios[0].steps[1].request.expect[0]: "(" is not a regular expression',
        'scenarios[0].steps[1].request.expect[1]: "id" is not a JSONPath',
        'scenarios[0].steps[2].request.extract[0]: "$[" is not a JSONPath',
        "scenarios[0].steps[2].request.extract[1]: needs one of json, regex, header; got 2",
    ):
        assert any(line.startswith(wanted) for line in found), (wanted, found)


@pytest.mark.parametrize(
    ("change", "wanted"),
    [
        ({"seed": "x"}, "seed: invalid type"),
        ({"load": {"kind": "wavy", "stages": []}}, "load.kind: unknown variant `wavy`"),
        (
            {"target": {"scheme": "http", "host": "a", "port": 80, "addresses": ["localhost"]}},
            "target.addresses[0]: invalid IP",
        ),
        (
            {"target": {"scheme": "https", "host": "a b", "port": 80, "addresses": ["::1"]}},
            "target.host: must be a host name",
        ),
        (
            {
                "tls": {"insecure": False, "ca_pem": "nothing"},
                "target": {"scheme": "https", "host": "a", "port": 80, "addresses": ["::1"]},
            },
            "tls.ca_pem: holds no certificate",
        ),
    ],
)
def test_a_value_of_the_wrong_form_is_named_by_its_path(change, wanted):
    assert any(line.startswith(wanted) for line in problems({**plan(80, open_load(1, 1)), **change}))


def test_text_that_is_not_json_is_refused():
    with pytest.raises(ValueError, match="plan: 1 problem"):
        Run(plan_json="{")
