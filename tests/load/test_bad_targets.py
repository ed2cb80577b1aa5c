"""A target that misbehaves costs its requests, never the run: each ends with a summary, a kind, and nothing lost."""

import json
import resource
from pathlib import Path
from typing import Any

import pytest
from tests.load.misbehaving import (
    Behaviour,
    closes_at_once,
    closes_within_the_body,
    endless_headers,
    garbage,
    gigabyte,
    misbehaving,
    never_answers,
)

from scaleworthy.load import make_plan, run_load
from scaleworthy.series import MemoryStore, Recording


def loaded(
    port: int, *, count: int = 2, step: dict[str, Any] | None = None, http: dict[str, Any] | None = None
) -> dict[str, Any]:
    plan = make_plan(
        {
            "target": f"http://127.0.0.1:{port}",
            "http": {"timeout": "300ms", **(http or {})},
            "scenarios": [{"name": "s", "steps": [{"get": "/", **(step or {})}]}],
            "load": {"users": 1, "count": count},
            "grace": "1s",
            "seed": 1,
        }
    )
    store = MemoryStore()
    summary = run_load(plan, store)
    examples = store.fact("load", "error_examples")
    assert isinstance(examples, dict)
    assert set(summary["errors"]) == set(examples)
    json.dumps(summary)
    return summary


@pytest.mark.parametrize(
    ("behaviour", "kinds"),
    [
        (garbage, {"protocol"}),
        (closes_at_once, {"closed", "reset"}),
        (closes_within_the_body, {"closed", "reset"}),
        (never_answers, {"timeout"}),
        (endless_headers, {"protocol", "timeout"}),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_each_misbehaviour_has_its_kind(behaviour: Behaviour, kinds: set[str]) -> None:
    with misbehaving(behaviour) as port:
        summary = loaded(port)

    assert summary["planned"] == summary["started"] == 2
    assert summary["answered"] == 0
    assert summary["failed"] == 2
    assert set(summary["errors"]) <= kinds
    assert sum(summary["errors"].values()) == 2
    assert summary["verdict"] == "fail"


def test_a_gigabyte_that_a_step_reads_is_cut_at_the_plans_bound() -> None:
    before_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with misbehaving(gigabyte) as port:
        summary = loaded(port, count=2, step={"expect": {"contains": "x"}}, http={"body_max": "1MB", "timeout": "5s"})
    assert summary["errors"] == {"body-too-large": 2}
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kb < 64 * 1024


def test_a_gigabyte_that_nobody_reads_is_not_kept() -> None:
    before_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with misbehaving(gigabyte) as port:
        summary = loaded(port, count=1)
    assert summary["answered"] + summary["failed"] >= 1
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kb < 64 * 1024


def test_what_was_measured_before_a_target_vanished_is_kept(tmp_path: Path) -> None:
    """The recording of a run whose target dies has the requests it answered and those it refused."""
    from scaleworthy._native import NullServer

    server = NullServer()
    plan = make_plan(
        {
            "target": f"http://127.0.0.1:{server.port}",
            "scenarios": [{"name": "s", "steps": [{"get": "/"}]}],
            "load": {"rate": "100/s", "for": "2s"},
            "grace": "1s",
            "seed": 1,
        }
    )
    with Recording.create(tmp_path / "run.sw", run={}) as store:
        summary = run_load(plan, store, on_second=lambda second: server.stop())

    assert summary["answered"] > 0
    assert summary["failed"] > 0
    assert summary["planned"] == summary["started"] + summary["not_started"]
    assert sum(summary["errors"].values()) == summary["failed"]
