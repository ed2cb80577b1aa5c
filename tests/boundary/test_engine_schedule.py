"""The Rust schedule and the plain-Python one plan the same starts."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference_schedule import planned, users

from scaleworthy._native import schedule_preview, users_at

S = 10**9
LEVELS = st.one_of(st.just(0.0), st.floats(0.01, 300.0), st.integers(1, 300).map(float))
STAGES = st.lists(st.tuples(st.integers(1, 3 * S), LEVELS, LEVELS), min_size=1, max_size=4)


@settings(max_examples=150, deadline=None)
@given(
    stages=STAGES,
    arrivals=st.sampled_from(["constant", "poisson", "gamma"]),
    seed=st.integers(0, 2**64 - 1),
    data=st.data(),
)
def test_rust_plans_what_the_reference_plans(stages, arrivals, seed, data):
    threads = data.draw(st.integers(1, 4))
    thread = data.draw(st.integers(0, threads - 1))
    shape = data.draw(st.sampled_from([0.3, 2.0, 5.0])) if arrivals == "gamma" else 1.0
    got = schedule_preview(
        stages=stages, arrivals=arrivals, seed=seed, thread=thread, threads=threads, gamma_shape=shape
    )
    wanted = list(planned(stages, arrivals, seed, thread, threads, shape))
    end_ns = sum(stage[0] for stage in stages)

    # A start on the very edge of the end may fall to either side: areas are sums of floats.
    inner = [at for at in wanted if at < end_ns * (1 - 1e-9) - 1000]
    assert len(inner) <= len(got) <= len(wanted) + 1
    # Near a zero of the rate the time is the root of a tiny area: 1e-12 of the area is 1e-6 of the time.
    assert all(abs(a - b) <= 5_000 for a, b in zip(got, inner, strict=False))
    assert got == sorted(got)
    assert all(0 <= at < end_ns for at in got)


@settings(max_examples=150, deadline=None)
@given(stages=STAGES, share=st.floats(0, 1.2))
def test_rust_counts_the_users_that_the_reference_counts(stages, share):
    at_ns = int(sum(stage[0] for stage in stages) * share)
    got, wanted = users_at(stages=stages, at_ns=at_ns), users(stages, at_ns)

    assert abs(got - wanted) <= 1
    if abs(got - wanted) == 1:
        # Only on the edge itself, where floats may round either way.
        assert {users(stages, max(0, at_ns - 1000)), users(stages, at_ns + 1000)} & {got}


def test_users_come_where_the_rounded_level_passes_them():
    ramp = [(4 * S, 0.0, 4.0)]

    assert [users_at(stages=ramp, at_ns=at) for at in (0, S // 2 - 1, S // 2, 3 * S, 5 * S)] == [0, 0, 1, 3, 4]


@pytest.mark.parametrize(
    ("changes", "wanted"),
    [
        ({"arrivals": "uniform"}, "constant"),
        ({"thread": 2, "threads": 2}, "below threads"),
        ({"stages": [(0, 1.0, 1.0)]}, "above 0"),
        ({"stages": [(S, -1.0, 1.0)]}, "levels"),
        ({"limit": 10**9}, "at most"),
        ({"arrivals": "gamma", "gamma_shape": 0.0}, "above 0"),
    ],
)
def test_a_preview_of_what_cannot_be_is_refused(changes, wanted):
    arguments = {"stages": [(S, 1.0, 1.0)], "arrivals": "constant", "seed": 1, **changes}
    with pytest.raises(ValueError, match=wanted):
        schedule_preview(**arguments)
