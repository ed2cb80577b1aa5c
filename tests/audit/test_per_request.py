"""Statements per request: a load of known factors gives them back, within the interval."""

from __future__ import annotations

import numpy as np
import pytest

from scaleworthy.audit.per_request import per_request
from scaleworthy.series import MemoryStore, SeriesKey

START_S = 1_800_000_000
FACTORS = {"list": 20.0, "read": 1.0, "write": 0.0}


def load(seed: int, *, together: bool = False, beside: float = 0.0, seconds: int = 120) -> MemoryStore:
    """A recording in which each step runs the statement as often as FACTORS says, and the sampler is late by part of a second."""
    rng, store, carried = np.random.default_rng(seed), MemoryStore(), 0.0
    for second in range(START_S, START_S + seconds):
        common = int(rng.poisson(8))
        answered = {step: common if together else int(rng.poisson(8)) for step in FACTORS}
        due = sum(FACTORS[step] * count for step, count in answered.items()) + beside + carried
        carried = float(rng.uniform(0, 0.5)) * due
        slices = [
            (SeriesKey.of("load.answered", "counter", "requests", {"step": step}), float(n))
            for step, n in answered.items()
        ]
        slices.append((SeriesKey.of("postgres.statement_calls", "counter", "calls", {"queryid": "7"}), due - carried))
        store.append(second, slices)
    return store


@pytest.mark.parametrize("beside", [0.0, 400.0])
def test_the_step_and_its_factor_are_found(beside: float) -> None:
    """In 19 of 20 recordings the interval holds the truth, as it says."""
    held = 0
    for seed in range(20):
        first = per_request(load(seed, beside=beside), ["7"])["7"][0]
        assert first.step == "list"
        held += first.interval[0] <= FACTORS["list"] <= first.interval[1]

    assert held >= 16


def test_steps_that_move_together_are_not_told_apart() -> None:
    (only,) = per_request(load(1, together=True), ["7"])["7"]

    assert only.step is None
    assert only.calls == pytest.approx(sum(FACTORS.values()) / len(FACTORS), rel=0.05)


def test_the_same_recording_gives_the_same_answer() -> None:
    store = load(3)

    assert per_request(store, ["7"]) == per_request(store, ["7"])


def test_an_empty_recording_has_no_answer() -> None:
    assert per_request(MemoryStore(), ["7"]) == {}
