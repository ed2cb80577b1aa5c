"""Which second of several workers is given out when: all have told it, one is late, one is lost."""

from collections import deque
from dataclasses import dataclass, field

from scaleworthy._native import Histogram
from scaleworthy.load.engine import EngineTick, RawSlice
from scaleworthy.load.fleet.gather import LATE_AFTER_S, LOST_AFTER_S, Gathering
from scaleworthy.load.fleet.merge import merged
from scaleworthy.load.fleet.wire import WorkerSecond


@dataclass
class Told:
    """A worker that says what a test lets it say."""

    seconds: deque[WorkerSecond] = field(default_factory=deque)
    over: bool = False
    failed: str | None = None
    heard_at_s: float = 0.0

    def tell(self, second: int, *, planned: int = 1, last: bool = False) -> None:
        self.over = last
        slices: list[RawSlice] = [
            ("load.planned", (("step", "get"),), "requests", "counter", float(planned)),
            ("load.users", (), "users", "gauge", 10.0),
        ]
        self.seconds.append(WorkerSecond(second, last, 0, slices))


def planned(tick: EngineTick | None) -> tuple[int, float] | None:
    if tick is None:
        return None
    return tick.second, sum(value for name, _, _, _, value in tick.slices if name == "load.planned")  # type: ignore[misc]


def users(tick: EngineTick | None) -> float:
    assert tick is not None
    return sum(value for name, _, _, _, value in tick.slices if name == "load.users")  # type: ignore[misc]


def test_a_second_is_given_out_once_every_worker_has_told_it() -> None:
    a, b = Told(), Told()
    gathering = Gathering([a, b])
    a.tell(7, planned=2)
    assert gathering.next(0.0) is None
    b.tell(7, planned=3)

    tick = gathering.next(0.0)
    assert planned(tick) == (7, 5.0)
    assert users(tick) == 20.0
    assert gathering.next(0.0) is None
    assert not gathering.finished


def test_workers_that_end_at_different_times_end_the_run_together() -> None:
    a, b = Told(), Told()
    gathering = Gathering([a, b])
    a.tell(7, last=True)
    b.tell(7)
    first = gathering.next(0.0)
    b.tell(8, last=True)
    second = gathering.next(0.0)

    assert first is not None
    assert second is not None
    assert (first.last, second.last) == (False, True)
    assert planned(second) == (8, 1.0)
    assert gathering.finished


def test_a_late_worker_is_not_waited_for_and_nothing_it_tells_is_lost() -> None:
    a, b = Told(), Told()
    gathering = Gathering([a, b])
    a.tell(7)
    assert gathering.next(LATE_AFTER_S - 0.1) is None
    assert planned(gathering.next(LATE_AFTER_S)) == (7, 1.0)
    a.tell(8)
    assert planned(gathering.next(LATE_AFTER_S)) == (8, 1.0)  # not waited for again
    assert gathering.came_late == {1}

    b.heard_at_s = 6.0
    for second in (7, 8, 9):
        b.tell(second, planned=10)
    a.tell(9)
    tick = gathering.next(6.0)
    assert planned(tick) == (9, 1.0 + 3 * 10.0)
    assert users(tick) == 20.0  # a gauge of seconds ago says nothing of now

    a.tell(10)
    assert gathering.next(6.0) is None  # it has caught up, and is waited for like any other


def test_a_lost_worker_ends_nothing_that_the_others_still_tell() -> None:
    a, b = Told(), Told()
    gathering = Gathering([a, b])
    a.tell(7)
    b.tell(7)
    b.failed = "was ended by SIGKILL"
    assert planned(gathering.next(0.0)) == (7, 2.0)
    a.tell(8)
    assert planned(gathering.next(0.0)) == (8, 1.0)
    assert not gathering.finished
    a.tell(9, last=True)
    assert planned(gathering.next(0.0)) == (9, 1.0)
    assert gathering.finished


def test_a_run_whose_workers_are_all_lost_is_over() -> None:
    gathering = Gathering([Told(failed="gone"), Told(failed="gone")])

    assert gathering.next(0.0) is None
    assert gathering.finished


def test_only_a_worker_that_should_tell_can_be_silent() -> None:
    gathering = Gathering([Told(), Told(over=True), Told(failed="gone"), Told(heard_at_s=1.0)])

    assert gathering.silent(LOST_AFTER_S + 0.5) == [0]


def test_histograms_merge_counters_add_and_labels_keep_apart() -> None:
    def of(values: list[int], count: float) -> WorkerSecond:
        histogram = Histogram()
        for value in values:
            histogram.record(value)
        slices: list[RawSlice] = [
            ("load.lag", (("step", "a"),), "ns", "histogram", histogram),
            ("load.failed", (("step", "a"),), "requests", "counter", count),
            ("load.failed", (("step", "b"),), "requests", "counter", 100.0),
        ]
        return WorkerSecond(0, False, 0, slices)

    whole = {(name, labels): value for name, labels, _, _, value in merged([of([1, 9], 2.0), of([5], 3.0)])}

    lag = whole["load.lag", (("step", "a"),)]
    assert isinstance(lag, Histogram)
    assert (lag.count, lag.min_ns, lag.max_ns, lag.sum_ns) == (3, 1, 9, 15)
    assert whole["load.failed", (("step", "a"),)] == 5.0
    assert whole["load.failed", (("step", "b"),)] == 200.0
