"""What a process of the generator costs: its CPU time and its memory, once a second, beside what it measures."""

from __future__ import annotations

import resource
import time
from collections.abc import Callable
from pathlib import Path
from typing import Literal

_STATM = Path("/proc/self/statm")
_FILES_MAX = Path("/proc/sys/fs/nr_open")
_PAGE_BYTES = resource.getpagesize()
HealthSlice = tuple[str, tuple[tuple[str, str], ...], str, Literal["histogram", "counter", "gauge"], float]


class Health:
    """Looks at this process; `worker` is its number within the run, the label of its series."""

    def __init__(self, *, worker: int, cpu_s: Callable[[], float] = time.process_time) -> None:
        self._labels = (("worker", str(worker)),)
        self._cpu_s = cpu_s
        self._seen_s = 0.0

    def begin(self) -> None:
        """Count CPU time from here on."""
        self._seen_s = self._cpu_s()

    def slices(self) -> list[HealthSlice]:
        """Return the CPU seconds since the last look, and the memory that is resident now."""
        now_s = self._cpu_s()
        used_s, self._seen_s = now_s - self._seen_s, now_s
        return [
            ("generator.process_cpu_seconds", self._labels, "s", "counter", used_s),
            ("generator.memory", self._labels, "bytes", "gauge", float(resident_bytes())),
        ]


def resident_bytes() -> int:
    """Return the memory of this process that is resident, shared pages included."""
    return int(_STATM.read_bytes().split()[1]) * _PAGE_BYTES


def open_files_max() -> int:
    """Return how many files this process may open, after raising its soft limit to the hard one.

    A connection is an open file. The soft limit is low for the sake of programs that use select(2), which this one does not.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = _system_max() if hard == resource.RLIM_INFINITY else hard
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    return most


def _system_max() -> int:
    try:
        return int(_FILES_MAX.read_bytes())
    except OSError:
        return 1_048_576
