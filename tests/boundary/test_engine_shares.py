"""Runs that are given disjoint shares and the same times act as one, to the last start."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

import pytest
from engine_plans import MS, Added, S, closed_load, finish, get, open_load, plan

from scaleworthy._native import Histogram, NullServer, Run, now_ns, pack_block, unpack_block


@pytest.fixture
def server() -> Iterator[NullServer]:
    server = NullServer()
    yield server
    server.stop()


def shared(made, first: int, of: int, threads: int = 1) -> Run:
    return Run(plan_json=json.dumps({**made, "threads": threads, "share": {"first": first, "of": of}}))


def started_together(*runs: Run) -> int:
    """Start all at one moment, 20 ms from now; return it."""
    origin_ns = now_ns() + 20 * MS
    unix_ns = time.time_ns() + 20 * MS
    for run in runs:
        run.start(origin_ns=origin_ns, origin_unix_ns=unix_ns)
    return origin_ns


def finished(*runs: Run) -> list[Added]:
    return [finish(run) for run in runs]


def test_shares_of_different_sizes_add_up_to_the_plan(server):
    made = plan(server.port, open_load(200, 0.5), get("/{{ $n }}"))
    runs = shared(made, 0, 3, threads=2), shared(made, 2, 3)
    started_together(*runs)
    first, second = finished(*runs)

    assert first.total("load.planned") == 67
    assert second.total("load.planned") == 33
    assert server.requests_by_path == {f"/{number}": 1 for number in range(100)}


def test_a_count_is_split_to_the_last_start_and_the_target_is_told_once(server):
    made = plan(server.port, closed_load(7, 60, count=100), get("/{{ $n }}"))
    runs = [shared(made, number, 3) for number in range(3)]
    started_together(*runs)
    added = finished(*runs)

    assert [one.total("load.answered") for one in added] == [34, 33, 33]
    assert server.requests == 100


def test_a_level_counts_from_its_time_however_late_it_is_heard(server):
    """100/s for half a second and 1,000/s for the other half; a time that is over already changes nothing of that."""
    made = plan(server.port, open_load(100, 1.0), http__connections_max=64)
    runs = shared(made, 0, 2), shared(made, 1, 2)
    origin_ns = started_together(*runs)
    for run in runs:
        run.set_level(per_s_or_users=1000.0, at_ns=origin_ns + S // 2)
    added = finished(*runs)

    assert sum(one.total("load.planned") for one in added) == 50 + 500
    assert server.requests == 550


def test_a_pause_moves_the_schedule_by_its_length_in_all_alike(server):
    made = plan(server.port, open_load(200, 0.5))
    runs = shared(made, 0, 2), shared(made, 1, 2)
    origin_ns = started_together(*runs)
    for run in runs:
        run.pause(at_ns=origin_ns + 100 * MS)
        run.resume(at_ns=origin_ns + 400 * MS)
    added = finished(*runs)

    assert [one.total("load.planned") for one in added] == [50, 50]
    assert now_ns() >= origin_ns + 800 * MS - 5 * MS  # the last start, planned at 495 ms, came 300 ms later


def test_times_of_another_clock_are_refused(server):
    run = Run(plan_json=json.dumps(plan(server.port, open_load(10, 0.1))))
    with pytest.raises(ValueError, match="within 600 s of the engine's clock"):
        run.start(origin_ns=5, origin_unix_ns=5)
    with pytest.raises(ValueError, match="give both or none"):
        run.start(origin_ns=now_ns())


@pytest.mark.parametrize(
    ("share", "threads", "says"),
    [
        ({"first": 1, "of": None}, 1, "share.first: must be 0 where share.of is null, got 1"),
        ({"first": 0, "of": 2}, None, "threads: must be given where share.of is"),
        ({"first": 1, "of": 2}, 2, "share.of: must be at least share.first . threads = 1 . 2, got 2"),
        ({"first": 0, "of": 2000}, 1, "share.of: must be at most http.connections_max = 1000"),
    ],
)
def test_a_share_that_cannot_be_is_refused(server, share, threads, says):
    with pytest.raises(ValueError, match=says):
        Run(plan_json=json.dumps(plan(server.port, open_load(10, 0.1), share=share, threads=threads)))


def test_a_block_comes_back_as_it_was_packed():
    histogram = Histogram()
    histogram.record(3 * MS, 4)

    assert unpack_block(pack_block(series=[7, 0, 300], values=[histogram, 2.0, 0.5])) == [
        (7, histogram),
        (0, 2.0),
        (300, 0.5),
    ]
    with pytest.raises(ValueError, match="finite"):
        pack_block(series=[1], values=[float("nan")])
    with pytest.raises(ValueError, match=r"bytes|missing|end"):
        unpack_block(b"\x01\x02")
