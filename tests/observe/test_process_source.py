"""A role's CPU is all that its processes used, also when children come and go between two looks."""

import os
import subprocess
import sys
from collections.abc import Iterator

import psutil
import pytest
from tests.observe.looking import value, values

from scaleworthy.observe import ProcessSource

WORKER = """
import os, subprocess, sys, time

def burn(seconds):
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass

for line in sys.stdin:
    what, _, seconds = line.strip().partition(" ")
    if what == "burn":
        burn(float(seconds))
    elif what == "child":  # one that comes and goes
        subprocess.run([sys.executable, "-I", "-S", "-c", f"import time\\nwhile time.process_time() < {seconds}: pass"])
    elif what == "stay":
        child = subprocess.Popen([sys.executable, "-I", "-S", "-c",
            f"import time, sys\\nwhile time.process_time() < {seconds}: pass\\nprint(1, flush=True); sys.stdin.read()"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        child.stdout.readline()
    elif what == "end":
        child.communicate()
    print("done", flush=True)
"""
TICK_S = 1 / os.sysconf("SC_CLK_TCK")


class Worker:
    """A process that burns CPU on command, itself or in children."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", WORKER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def do(self, what: str) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(what + "\n")
        self.process.stdin.flush()
        assert self.process.stdout.readline() == "done\n"


@pytest.fixture
def worker() -> Iterator[Worker]:
    worker = Worker()
    yield worker
    worker.process.communicate()


def cpu_s(source: ProcessSource, role: str = "http") -> float:
    found = value(source.sample(), "process.cpu_seconds", role=role)
    assert found is not None
    return found


def test_cpu_stays_right_while_children_come_and_go(worker: Worker) -> None:
    """Each look's growth adds up to what the tree used, counted by the kernel; nothing twice, nothing lost."""
    worker.do("burn 0.05")
    source = ProcessSource({"http": [worker.process.pid]})
    root = psutil.Process(worker.process.pid)
    base = sum(root.cpu_times()[:4])
    assert values(source.sample(), "process.cpu_seconds") == {}
    seen = []
    for what in ("burn 0.1", "child 0.1", "stay 0.15", "burn 0.05", "end", "child 0.1", "burn 0"):
        worker.do(what)
        seen.append(cpu_s(source))

    times = root.cpu_times()  # no child lives: all of theirs is in the parent's children's time
    assert sum(seen) == pytest.approx(sum(times[:4]) - base, abs=2 * TICK_S)
    assert sum(seen) >= 0.48
    assert seen[0] >= 0.08, "its own"
    assert seen[1] >= 0.08, "of a child that was never seen alive"
    assert seen[2] >= 0.12, "of a child that lives"
    assert seen[4] <= 0.06, "a child's end brings nothing that was counted already"


def test_count_memory_threads_and_files_cover_the_children(worker: Worker) -> None:
    source = ProcessSource({"http": [worker.process.pid]})
    alone = source.sample()
    worker.do("stay 0")
    both = source.sample()
    worker.do("end")
    after = source.sample()

    assert [value(sample, "process.count", role="http") for sample in (alone, both, after)] == [1, 2, 1]
    assert (value(both, "process.threads", role="http") or 0) == 2
    assert (value(both, "process.memory", role="http") or 0) > (value(alone, "process.memory", role="http") or 0)
    files = psutil.Process(worker.process.pid).num_fds()
    assert value(after, "process.open_files", role="http") == files


def test_a_child_that_another_role_names_counts_there_alone(worker: Worker) -> None:
    """The server that a generator started is not the generator."""
    source = ProcessSource({"generator": [os.getpid()], "http": [worker.process.pid]})
    source.sample()
    worker.do("burn 0.2")
    sample = source.sample()

    assert (value(sample, "process.cpu_seconds", role="http") or 0) >= 0.18
    assert (value(sample, "process.cpu_seconds", role="generator") or 0) <= 0.1
    assert value(sample, "process.count", role="http") == 1


def test_a_role_whose_processes_are_gone_counts_none() -> None:
    process = subprocess.Popen([sys.executable, "-I", "-S", "-c", "pass"])
    process.wait()
    source = ProcessSource({"http": [process.pid]})
    source.sample()
    sample = source.sample()

    assert value(sample, "process.count", role="http") == 0
    assert value(sample, "process.cpu_seconds", role="http") == 0
