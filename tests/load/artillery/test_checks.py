"""`ensure` and `apdex`: what decides the exit status there decides it here."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.load.listening import Said, listening

from .scripts import CONFIG, compiled, flow, problems_of, ran

GET = "- get: {url: '/leads/{{ $randomNumber(1, 9) }}', name: read lead}\n- post: {url: /leads}"


def objectives(folder: Path, ensure: str, *, where: str = "  ensure:") -> list[str]:
    plan = compiled(folder, flow(GET, config=f"{CONFIG}{where} {ensure}\n")).plan
    return [objective.objective for objective in plan.objectives]


@pytest.mark.parametrize(
    ("ensure", "texts"),
    [
        ("{p95: 200, maxErrorRate: 1}", ["p95 < 200ms", "failed <= 1%"]),
        ("{max: '1500', median: 20, p99: 0.5}", ["max < 1500ms", "p50 < 20ms", "p99 < 0.5ms"]),
        ("{thresholds: [{http.response_time.p75: 9}, {http.codes.500: 1}]}", ["p75 < 9ms", 'total(load.statuses{status="500"}) < 1']),
        ("{thresholds: [{errors.ETIMEDOUT: 5}, {vusers.failed: 1}]}", ['total(load.errors{kind="timeout"}) < 5', "total(load.failed) < 1"]),
        (
            "{conditions: [{expression: 'http.response_time.p99 <= 250 and http.request_rate > 100'}]}",
            ["p99 <= 250ms", "rate > 100/s"],
        ),
        (
            "{thresholds: [{'plugins.metrics-by-endpoint.response_time.read lead.p95': 30}]}",
            ['p95{step="read lead"} < 30ms'],
        ),
        (
            "{thresholds: [{plugins.metrics-by-endpoint.response_time./leads.p99: 30}]}",
            ['p99{step="POST /leads"} < 30ms'],
        ),
    ],
)  # fmt: skip
def test_checks_become_objectives(tmp_path: Path, ensure: str, texts: list[str]) -> None:
    assert objectives(tmp_path, ensure) == texts
    assert objectives(tmp_path, f"{{ensure: {ensure}}}", where="  plugins:") == texts


@pytest.mark.parametrize(
    ("ensure", "said"),
    [
        ("{thresholds: [{http.respons_time.p95: 200}]}", "http.respons_time.p95 is not measured here"),
        ("{thresholds: [{vusers.session_length.p95: 200}]}", "is not measured here"),
        ("{conditions: [{expression: 'a + b < 3'}]}", "'a + b < 3' cannot be judged"),
        ("{maxErorRate: 2}", "did you mean 'maxErrorRate'?"),
        ("{p95: quick}", "must be a number, got 'quick'"),
    ],
)
def test_a_check_that_cannot_be_judged_is_refused(tmp_path: Path, ensure: str, said: str) -> None:
    assert said in problems_of(tmp_path, flow(GET, config=f"{CONFIG}  ensure: {ensure}\n"))[0]


def test_a_condition_that_is_not_strict_is_said_and_not_judged(tmp_path: Path) -> None:
    ensure = "{conditions: [{expression: 'http.response_time.p99 < 1', strict: false}]}"
    imported = compiled(tmp_path, flow(GET, config=f"{CONFIG}  ensure: {ensure}\n"))

    assert imported.plan.objectives == []
    assert "not strict" in imported.notes[0]


def test_apdex_has_artillerys_threshold(tmp_path: Path) -> None:
    config = CONFIG + "  plugins: {apdex: {}}\n  apdex: {threshold: 60000}\n"
    with listening(lambda asked: Said(status=500)) as server:
        apdex = ran(tmp_path, flow("- get: {url: /}", config=config), server.url, count=3).apdex

    assert apdex is not None
    assert (apdex.threshold_ms, apdex.score, apdex.satisfied) == (60_000, 1.0, 3)


def test_a_plugin_that_is_not_run_is_said(tmp_path: Path) -> None:
    imported = compiled(tmp_path, flow(GET, config=CONFIG + "  plugins: {ensrue: {}, publish-metrics: []}\n"))

    assert "'ensrue' is not run; what it measures or checks is left out; did you mean 'ensure'?" in imported.notes[0]
    assert "'publish-metrics' is not run" in imported.notes[1]
