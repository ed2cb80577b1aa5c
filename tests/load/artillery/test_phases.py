"""Phases become starts per second: as many virtual users as Artillery starts, at the same times."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from scaleworthy._native import schedule_preview
from scaleworthy.load import Wishes

from .scripts import compiled, problems_of

SECOND = 10**9
FLOW = "\nscenarios: [{flow: [{get: {url: /}}]}]\n"


def load_of(folder: Path, phases: str, *, more: str = "") -> dict[str, Any]:
    script = f"config:\n  target: http://127.0.0.1:1\n{more}  phases: {phases}{FLOW}"
    return compiled(folder, script).plan.load.to_native()


def stages(load: dict[str, Any]) -> list[tuple[float, float, float]]:
    return [(stage["duration_ns"] / SECOND, stage["from"], stage["to"]) for stage in load["stages"]]


def test_a_rate_is_held_a_ramp_is_a_line_and_a_pause_starts_nobody(tmp_path: Path) -> None:
    load = load_of(
        tmp_path,
        "[{duration: 60, arrivalRate: 5, rampTo: 20}, {pause: 10}, {duration: 2m, arrivalRate: 30, name: peak}]",
    )

    assert load["kind"] == "open"
    assert load["arrivals"] == "constant"
    assert stages(load) == [(60, 5, 20), (10, 0, 0), (120, 30, 30)]


@pytest.mark.parametrize(("count", "seconds"), [(7, 3), (1, 60), (300, 7), (1200, 60), (11, 0.7)])
def test_an_arrival_count_starts_exactly_that_many(tmp_path: Path, count: int, seconds: float) -> None:
    load = load_of(tmp_path, f"[{{duration: {seconds}, arrivalCount: {count}}}]")

    assert len(starts(load)) == count


def test_a_ramp_starts_as_many_as_the_area_under_it(tmp_path: Path) -> None:
    load = load_of(tmp_path, "[{duration: 60, arrivalRate: 1, rampTo: 5}, {duration: 10, arrivalRate: 2}]")

    made = starts(load)
    assert len(made) == 60 * 3 + 20
    assert sum(at >= 60 * SECOND for at in made) == 20


def test_poisson_is_what_the_mode_says(tmp_path: Path) -> None:
    assert load_of(tmp_path, "[{duration: 5, arrivalRate: 5}]", more="  mode: poisson\n")["arrivals"] == "poisson"
    assert load_of(tmp_path, "[{duration: 5, arrivalRate: 5, mode: poisson}]")["arrivals"] == "poisson"


def test_without_phases_one_user_runs_once_unless_the_command_line_says_more(tmp_path: Path) -> None:
    script = f"config: {{target: 'http://127.0.0.1:1'}}{FLOW}"

    imported = compiled(tmp_path, script)
    assert (imported.plan.load.users, imported.plan.load.count) == (1, 1)
    assert "no phases" in imported.notes[0]
    assert compiled(tmp_path, script, Wishes(has_load=True)).notes == ()


@pytest.mark.parametrize(
    ("phases", "problem"),
    [
        ("[{duration: 60}]", "a phase needs arrivalRate, rampTo, arrivalCount or pause"),
        ("[{arrivalRate: 6}]", "a phase needs a duration"),
        ("[{duration: 1 fortnight, arrivalRate: 6}]", "must be a duration: seconds, or such as '30s' or '5m'"),
        ("[{duration: 10, arrivalRate: lots}]", "must be a number, got 'lots'"),
        ("[{duration: 10, arivalRate: 5}]", "unknown key; did you mean 'arrivalRate'?"),
        ("[{pause: 10}]", "never start a virtual user"),
        ("[{duration: 0, arrivalRate: 6}]", "must be above 0"),
        ("[{duration: 8, arrivalRate: 6, mode: bursts}]", "mode must be uniform or poisson"),
        ("{duration: 8, arrivalRate: 6}", "must be a list of phases"),
    ],
)
def test_a_phase_that_cannot_run_is_refused(tmp_path: Path, phases: str, problem: str) -> None:
    found = problems_of(tmp_path, f"config:\n  target: http://127.0.0.1:1\n  phases: {phases}{FLOW}")

    assert any(problem in text and text.startswith("artillery.yml:3:") for text in found), found


def starts(load: dict[str, Any]) -> list[int]:
    made = [(stage["duration_ns"], stage["from"], stage["to"]) for stage in load["stages"]]
    return list(schedule_preview(stages=made, arrivals="constant", seed=1, limit=100_000))
