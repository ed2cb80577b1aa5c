"""How long an entry lives, and when it is loaded ahead of its end."""

from __future__ import annotations

import math
from random import Random

import pytest

from scaleworthy.runtime.cache import Policy

MS = 10**6


@pytest.mark.parametrize(("left_ms", "early"), [(10, 1.0), (20, 1.0), (20, 2.0), (60, 3.0)])
def test_it_is_loaded_ahead_as_often_as_xfetch_says(left_ms: int, early: float) -> None:
    policy, rng, load_ms = Policy(early=early), Random(1), 20
    often = sum(policy.is_early(left_ms * MS, load_ns=load_ms * MS, rng=rng) for _ in range(20_000)) / 20_000
    assert often == pytest.approx(math.exp(-left_ms / (early * load_ms)), abs=0.01)


def test_what_is_over_is_early_and_without_eagerness_nothing_else_is() -> None:
    rng = Random(1)
    assert Policy().is_early(0, load_ns=MS, rng=rng)
    assert not any(Policy(early=0.0).is_early(1, load_ns=MS, rng=rng) for _ in range(1_000))


def test_what_came_together_ends_apart_and_nothing_ends_late() -> None:
    policy, rng = Policy(jitter=0.25, stale="1ms", early=1.0), Random(1)
    lives = [policy.life(100 * MS, load_ns=2 * MS, rng=rng) for _ in range(1_000)]
    ends = sorted(life.stale_ns for life in lives)
    assert 75 * MS <= ends[0] < 76 * MS
    assert 99 * MS < ends[-1] <= 100 * MS
    assert {(life.stale_ns - life.due_ns, life.gone_ns - life.stale_ns) for life in lives} == {(20 * MS, MS)}


def test_what_is_stale_already_is_gone_when_it_was_to_be() -> None:
    life = Policy(stale="10ms").life(-4 * MS, load_ns=MS, rng=Random(1))
    assert (life.due_ns, life.stale_ns, life.gone_ns) == (0, 0, 6 * MS)
    assert Policy(stale="1ms").life(-4 * MS, load_ns=MS, rng=Random(1)).gone_ns == 0
