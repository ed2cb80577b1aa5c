"""An alarm means what it says: at most one of a hundred runs of an unchanged service, and every one that is much worse."""

import numpy as np
import pytest

from scaleworthy.load.watch import Figures, regressions


def made(rng: np.random.Generator, *, slower: float = 1.0, spread: float = 0.05, failed: float = 0.002) -> Figures:
    """A run whose times vary by *spread* from run to run, together, and whose failures are drawn from 10,000 requests."""
    level = slower * float(np.exp(rng.normal(0, spread)))
    return Figures(10 * level, 30 * level, 60 * level, rng.binomial(10_000, failed) / 10_000, 10_000)


@pytest.mark.parametrize("before", [5, 12, 60])
def test_an_unchanged_service_is_called_worse_in_at_most_the_stated_share_of_runs(before: int) -> None:
    rng = np.random.default_rng(before)
    runs = 700
    alarms = sum(bool(regressions(made(rng), [made(rng) for _ in range(before)], floor=0.0)) for _ in range(runs))
    # One of a hundred, and three deviations of such a count.
    assert alarms <= 0.01 * runs + 3 * np.sqrt(0.01 * runs)


def test_what_is_much_slower_is_called_worse_and_by_how_much() -> None:
    rng = np.random.default_rng(1)
    found = regressions(made(rng, slower=1.6), [made(rng) for _ in range(20)])

    assert [item.figure for item in found] == ["p50", "p95", "p99"]
    assert "against the latest 20 runs" in str(found[0])
    assert found[0].usual == pytest.approx(10, rel=0.05)


def test_failures_that_were_never_there_are_seen_at_once() -> None:
    rng = np.random.default_rng(2)
    history = [made(rng, failed=0.0) for _ in range(6)]
    (found,) = regressions(made(rng, failed=0.02), history)

    assert found.figure == "failed"
    assert regressions(made(rng, failed=0.0), history) == []


def test_a_drift_that_never_jumps_is_seen_against_the_first_runs() -> None:
    rng = np.random.default_rng(3)
    history = [made(rng, slower=1.008**at) for at in range(80)]
    found = regressions(made(rng, slower=1.008**80), history)

    assert found
    assert {item.reference for item in found} == {"first"}


def test_a_change_below_the_floor_does_not_matter_however_sure_it_is() -> None:
    rng = np.random.default_rng(4)
    history = [made(rng, spread=0.001) for _ in range(20)]

    assert regressions(made(rng, spread=0.001, slower=1.03), history) == []
    assert regressions(made(rng, spread=0.001, slower=1.03), history, floor=0.01)


def test_nothing_is_said_before_there_is_a_history() -> None:
    rng = np.random.default_rng(5)
    assert regressions(made(rng, slower=9.0), [made(rng) for _ in range(4)]) == []
