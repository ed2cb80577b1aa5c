"""Looks fall on seconds; a source that fails or is dear disturbs neither the others nor the run."""

import threading
from collections.abc import Callable

import pytest

from scaleworthy.observe import Observer, Sample, Source
from scaleworthy.observe.observer import RETRY_MOST_S, Watch
from scaleworthy.series import MemoryStore


class Counting:
    """A source whose counter grows by 10 a look; it does what it is told first."""

    def __init__(self, name: str = "counting", before: Callable[[int], None] = lambda _look: None) -> None:
        self.name = name
        self.looks = 0
        self.closed = 0
        self._before = before

    def sample(self) -> Sample:
        self.looks += 1
        self._before(self.looks)
        sample = Sample(facts=[("look", self.name, self.looks)])
        sample.gauge("valkey.clients", "clients", self.looks)
        if self.looks > 1:
            sample.counter("valkey.commands", "commands", 10)
        return sample

    def close(self) -> None:
        self.closed += 1


class Cpu:
    """CPU time that passes when told."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def watch(source: Source, cpu: Callable[[], float] = lambda: 0.0) -> tuple[Watch, MemoryStore]:
    store = MemoryStore()
    return Watch(store, source, 1.0, cpu), store


def test_the_base_gives_facts_and_no_slices() -> None:
    looked, store = watch(Counting())
    looked.begin(99.5)

    assert store.keys() == []
    assert store.fact("look", "counting") == 1


def test_what_is_seen_belongs_to_the_second_named_and_its_cost_is_a_series() -> None:
    cpu = Cpu()
    source = Counting(before=lambda _look: setattr(cpu, "seconds", cpu.seconds + 0.002))
    looked, store = watch(source, cpu)
    looked.begin(99.5)
    looked.step(99, 100.0)
    looked.step(100, 101.0)

    seconds, values = store.per_second("valkey.commands")
    assert (seconds.tolist(), values.tolist()) == ([99, 100], [10, 10])
    assert store.total("observe.cpu_seconds", labels={"source": "counting"}) == pytest.approx(0.004)
    assert looked.pause_s(101.0) == 1.0


def test_a_failing_source_is_noted_once_retried_ever_later_and_noted_when_it_is_back() -> None:
    def fail(look: int) -> None:
        if 2 <= look <= 8:
            raise ConnectionError("refused\nand more")

    looked, store = watch(Counting(before=fail))
    looked.begin(0.0)
    pauses = []
    for second in range(1, 9):
        looked.step(second, float(second))
        pauses.append(looked.pause_s(float(second)))

    assert pauses == [1, 2, 4, 8, 16, RETRY_MOST_S, RETRY_MOST_S, 1]
    assert [event.text for event in store.events("observe")] == [
        "counting cannot be observed: refused",
        "counting answers again",
    ]
    assert store.total("valkey.commands") == 10


def test_a_dear_source_is_looked_at_less_often_and_that_is_noted_once() -> None:
    """25 ms a look is 2.5 % of a core each second, and under 1 % each third."""
    cpu = Cpu()
    looked, store = watch(Counting(before=lambda _look: setattr(cpu, "seconds", cpu.seconds + 0.025)), cpu)
    looked.begin(0.0)
    looked.step(1, 1.0)

    assert [looked.pause_s(1.0), looked.pause_s(1.0)] == [3.0, 3.0]
    assert [event.data for event in store.events("observe")] == [{"source": "counting"}]


class Clock:
    """Wall-clock time that only moves when a test says so; waiting on the observer's event never ends by itself."""

    def __init__(self, now: float) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def test_start_takes_the_base_and_stop_counts_the_second_begun() -> None:
    """Between them everything is counted, whichever part of a second it fell in."""
    clock, store, source = Clock(1000.25), MemoryStore(), Counting()
    observer = Observer(store, [source], clock=clock)
    observer.start()
    assert source.looks == 1
    observer.stop()
    observer.stop()

    assert observer.failure is None
    seconds, values = store.per_second("valkey.commands")
    assert (seconds.tolist(), values.tolist()) == ([1000], [10])
    assert source.closed == 1


def test_boundaries_that_a_slow_look_missed_are_left_out() -> None:
    """A look that lasts from 1001.0 to 1004.5 is followed by the one at 1005, not by three in a row."""
    clock, store, done = Clock(1000.9), MemoryStore(), threading.Event()

    def slow(look: int) -> None:
        if look == 2:
            clock.now = 1004.999
        if look == 3:
            done.set()
            clock.now = 1005.2

    observer = Observer(store, [Counting(before=slow)], clock=clock)
    observer.start()
    assert done.wait(30)
    observer.stop()

    assert store.per_second("valkey.commands")[0].tolist() == [1000, 1004, 1005]


def test_a_source_that_hangs_does_not_delay_another() -> None:
    gate, seen = threading.Event(), threading.Event()

    def hang(look: int) -> None:
        if look > 1:
            assert gate.wait(30)

    clock = Clock(1000.999)
    store = MemoryStore()
    quick = Counting("quick", before=lambda look: seen.set() if look > 1 else None)
    observer = Observer(store, [Counting("slow", before=hang), quick], clock=clock)
    observer.start()
    assert seen.wait(30)
    gate.set()
    observer.stop()

    assert quick.looks >= 3


def test_a_store_that_refuses_ends_the_looking_and_is_kept_as_the_reason() -> None:
    class Full(MemoryStore):
        def append(self, second: int, slices: object) -> None:
            raise OSError("No space left on device")

    observer = Observer(Full(), [Counting()], clock=Clock(5.0))
    observer.start()
    observer.stop()

    assert str(observer.failure) == "No space left on device"
