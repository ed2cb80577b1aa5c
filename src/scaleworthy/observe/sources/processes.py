"""The service's processes, by role: CPU, memory, threads, open files, of the named processes and all their children.

CPU stays right while children come and go. A process's own time is in /proc/PID/stat, and when it ends and its parent
waits for it, its total moves into the parent's children's time. So what a role used is the growth of its living processes'
own time, plus what their children's time grew by beyond the totals already counted for children that vanished.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from scaleworthy.observe.source import Sample

TICKS_PER_S = os.sysconf("SC_CLK_TCK")
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


def is_there(pid: int, *, proc: Path = Path("/proc")) -> bool:
    """Is there a process of this id now?"""
    return (proc / str(pid)).exists()


@dataclass(frozen=True, slots=True)
class Process:
    """One line of /proc/PID/stat. Times in clock ticks (10 ms); *started* tells a pid from its later namesake."""

    pid: int
    parent: int
    started: int
    own: int
    children: int
    threads: int
    resident_pages: int

    @property
    def total(self) -> int:
        """All that moves to the parent when the process ends."""
        return self.own + self.children


class ProcessSource:
    """Reads /proc of the processes of each role; *roles*: name → process ids.

    A child that is itself named by a role counts there alone (the server that a generator started is not the generator).
    """

    name = "processes"

    def __init__(self, roles: Mapping[str, Sequence[int]], *, proc: Path = Path("/proc")) -> None:
        self._roles = {role: tuple(pids) for role, pids in roles.items()}
        self._proc = proc
        self._role_of = {pid: role for role, pids in self._roles.items() for pid in pids}
        self._last: dict[int, Process] | None = None
        self._last_role: dict[int, str] = {}

    def sample(self) -> Sample:
        """Return what happened since the last call."""
        role_of = self._members()
        now: dict[int, Process] = {}
        for pid in role_of:
            if (process := self._read(pid)) is not None:
                now[pid] = process
        sample = Sample()
        grown = self._grown(now, role_of)
        for role in self._roles:
            mine = [process for pid, process in now.items() if role_of[pid] == role]
            sample.gauge("process.count", "", len(mine), role=role)
            sample.gauge("process.threads", "", sum(process.threads for process in mine), role=role)
            sample.gauge("process.memory", "bytes", sum(one.resident_pages for one in mine) * PAGE_BYTES, role=role)
            sample.gauge("process.open_files", "", sum(self._open_files(one.pid) for one in mine), role=role)
            if self._last is not None:
                sample.counter("process.cpu_seconds", "s", grown.get(role, 0) / TICKS_PER_S, role=role)
        self._last, self._last_role = now, {pid: role_of[pid] for pid in now}
        return sample

    def close(self) -> None:
        """Forget the base: the next sample is a first one."""
        self._last = None

    def _grown(self, now: Mapping[int, Process], role_of: Mapping[int, str]) -> dict[str, int]:
        """Return the ticks each role used since the last look."""
        last = self._last or {}
        same = {pid for pid, process in now.items() if pid in last and last[pid].started == process.started}
        counted: dict[int, int] = {}  # by living parent: totals of vanished children that were counted already
        for pid, process in last.items():
            if pid not in same and (heir := _living_parent(process, last, same)) is not None:
                counted[heir] = counted.get(heir, 0) + process.own + process.children
        grown: dict[str, int] = {}
        for pid, process in now.items():
            if pid in same:
                reaped = process.children - last[pid].children - counted.get(pid, 0)
                # Below zero: children were not waited for (SIGCHLD ignored), so their time went nowhere.
                ticks = process.own - last[pid].own + max(0, reaped)
            else:
                ticks = process.total
            grown[role_of[pid]] = grown.get(role_of[pid], 0) + ticks
        return grown

    def _members(self) -> dict[int, str]:
        """Return the processes of every role: the named ones, their children, and those seen before that live on."""
        found: dict[int, str] = {}
        todo = [*self._role_of.items(), *self._last_role.items()]
        while todo:
            pid, role = todo.pop()
            if pid in found:
                continue
            children = self._children(pid)
            if children is None:
                continue
            found[pid] = role
            todo.extend((child, self._role_of.get(child, role)) for child in children)
        return found

    def _children(self, pid: int) -> Iterable[int] | None:
        """Return the children of a process, or None when there is no such process."""
        try:
            threads = os.listdir(f"{self._proc}/{pid}/task")  # noqa: PTH208 - hot
        except (FileNotFoundError, ProcessLookupError):
            return None
        children: list[int] = []
        for thread in threads:
            try:
                with open(f"{self._proc}/{pid}/task/{thread}/children", "rb", buffering=0) as file:  # noqa: PTH123 - hot
                    children.extend(map(int, file.read(65536).split()))
            except (FileNotFoundError, ProcessLookupError):
                continue
        return children

    def _read(self, pid: int) -> Process | None:
        try:
            with open(f"{self._proc}/{pid}/stat", "rb", buffering=0) as file:  # noqa: PTH123 - hot
                fields = file.read(4096).rpartition(b")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            return None
        # man 5 proc_pid_stat, numbered from field 3 (state): utime 14, stime 15, cutime 16, cstime 17, threads 20, …
        utime, stime, cutime, cstime = (int(fields[index]) for index in (11, 12, 13, 14))
        return Process(
            pid, int(fields[1]), int(fields[19]), utime + stime, cutime + cstime, int(fields[17]), int(fields[21])
        )

    def _open_files(self, pid: int) -> int:
        folder = f"{self._proc}/{pid}/fd"
        try:
            # Since Linux 6.2 the folder's size is the number of open files; before, it is 0.
            return os.stat(folder).st_size or len(os.listdir(folder))  # noqa: PTH116, PTH208 - hot
        except OSError:  # another user's process, or one that has just ended
            return 0


def _living_parent(process: Process, last: Mapping[int, Process], living: set[int]) -> int | None:
    """Return the nearest ancestor that lives on, to which a vanished process's time has moved."""
    parent = process.parent
    while parent not in living:
        if parent not in last:
            return None
        parent = last[parent].parent
    return parent
