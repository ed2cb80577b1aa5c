"""Keep one server: start it, end it, and clear up after it, whatever becomes of the process that asked.

A program of its own, run as `python -I -S keeper.py`; nothing imports it. It is the parent of the server, and it
watches the process that asked through a pidfd, so that Ctrl-C, SIGTERM, a crash and even SIGKILL of that process end
the server and remove its folder. PR_SET_PDEATHSIG covers the keeper itself: the server gets its stop signal when the
keeper is killed. (The signal fires when the forking *thread* ends; the keeper has one thread, so that is its own end.
Asking from a short-lived thread is therefore safe.)

Protocol: one JSON object a line. In: `{"begin": …}` once, then `{"probe": identity}`, `{"run": …}`, `{"serve": …}`,
`{"stop": true}`. Out: `{"pid": n}` or `{"exit": status}` for each but stop, and `{"exit": status}` when the server
ends by itself. The end of the input means stop.
"""

from __future__ import annotations

import ctypes
import json
import os
import select
import shutil
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

CLONE_NEWUSER = 0x10000000
PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
COULD_NOT_START = 126
MARKS = "processes"
_libc = ctypes.CDLL(None, use_errno=True)


class Ended(Exception):
    """The process that asked is gone, or told us to stop."""


def main() -> None:
    """Serve the requests on standard input until it ends; then stop the server and remove its folders."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, _end)
    keeper = Keeper()
    try:
        keeper.obey()
    except Ended:
        pass
    finally:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        keeper.clear()


def _end(_number: int, _frame: object) -> NoReturn:
    raise Ended


class Keeper:
    """The server's parent process."""

    def __init__(self) -> None:
        self.server: int | None = None
        self.server_fd: int | None = None
        self.parent_fd = -1
        self.stop: list[tuple[int, float]] = []
        self.folders: list[str] = []
        self._input = b""

    def obey(self) -> None:
        """Carry out one request after another; raises Ended when it is time to go."""
        while True:
            request = self._next_request()
            if "begin" in request:
                self._begin(**request["begin"])
            elif "probe" in request:
                _say(exit=self._wait(self._spawn(None, request["probe"], log=os.devnull)))
            elif "run" in request:
                _say(exit=self._wait(self._spawn(**request["run"])))
            elif "serve" in request:
                self._serve(**request["serve"])
            else:
                raise Ended

    def _begin(self, *, parent: int, folders: Sequence[str]) -> None:
        self.parent_fd = os.pidfd_open(parent)
        if os.getppid() != parent:
            raise Ended
        self.folders = list(folders)
        # Orphans of a server that was killed come to us instead of to init, so that they can be ended too.
        _libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        self._mark(os.getpid())
        _say(pid=os.getpid())

    def _serve(self, *, stop: Sequence[tuple[int, float]], **how: Any) -> None:
        self.stop = [(int(number), float(seconds)) for number, seconds in stop]
        self.server = self._spawn(death_signal=self.stop[0][0], **how)
        self.server_fd = os.pidfd_open(self.server)
        self._mark(self.server)
        _say(pid=self.server)

    def _next_request(self) -> dict[str, Any]:
        while b"\n" not in self._input:
            ready = self._poll([0, *([self.server_fd] if self.server_fd is not None else [])])
            if self.server_fd in ready:
                _say(exit=self._reap_server())
            if 0 in ready:
                data = os.read(0, 65536)
                if not data:
                    raise Ended
                self._input += data
        line, self._input = self._input.split(b"\n", 1)
        request: dict[str, Any] = json.loads(line)
        return request

    def _poll(self, fds: Sequence[int], seconds: float | None = None) -> set[int]:
        poll = select.poll()
        for fd in (*fds, self.parent_fd):
            if fd >= 0:
                poll.register(fd, select.POLLIN)
        ready = {fd for fd, _ in poll.poll(None if seconds is None else seconds * 1000)}
        if self.parent_fd in ready:
            raise Ended
        return ready

    def _wait(self, pid: int) -> int:
        """Return the exit status of a child; end it if the process that asked goes away meanwhile."""
        fd = os.pidfd_open(pid)
        try:
            self._poll([fd])
        except Ended:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            raise
        finally:
            os.close(fd)
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

    def _spawn(
        self,
        argv: Sequence[str] | None,
        identity: Mapping[str, Any],
        *,
        log: str,
        env: Mapping[str, str] | None = None,
        folder: str = "/",
        death_signal: int = signal.SIGKILL,
    ) -> int:
        """Fork a child that runs *argv* as *identity* (None: only become it, and exit 0 when that worked)."""
        keeper = os.getpid()
        pid = os.fork()
        if pid:
            return pid
        try:
            os.umask(0o077)
            output = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            for number in (1, 2):
                os.dup2(output, number)
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
            become(identity)
            # After the change of identity: the kernel forgets the death signal when credentials change.
            _libc.prctl(PR_SET_PDEATHSIG, int(death_signal), 0, 0, 0)
            if os.getppid() != keeper:
                os._exit(COULD_NOT_START)
            if argv is None:
                os._exit(0)
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGPIPE):
                signal.signal(number, signal.SIG_DFL)
            os.chdir(folder)
            os.execve(argv[0], list(argv), dict(env or {}))  # noqa: S606 - a program, not a shell line
        except BaseException as error:  # noqa: BLE001 - a forked child: nothing may escape into the keeper's code
            os.write(2, f"{argv[0] if argv else 'identity'}: {error}\n".encode())
        finally:
            os._exit(COULD_NOT_START)

    def _reap_server(self) -> int:
        assert self.server is not None
        assert self.server_fd is not None
        status = os.waitstatus_to_exitcode(os.waitpid(self.server, 0)[1])
        os.close(self.server_fd)
        self.server = self.server_fd = None
        return status

    def clear(self) -> None:
        """End the server, by each of its stop signals in turn and SIGKILL at last, then what it left."""
        self.parent_fd = -1
        for number, seconds in [*self.stop, (signal.SIGKILL, 60.0)]:
            if self.server is None or self.server_fd is None:
                break
            os.kill(self.server, number)
            if self._poll([self.server_fd], seconds):
                self._reap_server()
        self._end_orphans()
        for path in self.folders:
            shutil.rmtree(path, ignore_errors=True)

    def _end_orphans(self) -> None:
        me = os.getpid()
        while pids := Path(f"/proc/{me}/task/{me}/children").read_text().split():
            for pid in map(int, pids):
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)

    def _mark(self, pid: int) -> None:
        """Note a process of ours, so that a sweep leaves the folders alone while it lives."""
        for folder in self.folders:
            with (Path(folder) / MARKS).open("a") as file:
                file.write(f"{pid} {start_ticks(pid)}\n")


def start_ticks(pid: int) -> int:
    """Return when the process started, in clock ticks since boot (field 22 of /proc/PID/stat)."""
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])


def become(identity: Mapping[str, Any]) -> None:
    """Take on an identity: `same`, `namespace` (another user's number, in a user namespace) or `user` (setuid)."""
    kind = identity["kind"]
    if kind == "namespace":
        uid, gid = os.geteuid(), os.getegid()
        if _libc.unshare(CLONE_NEWUSER) != 0:
            number = ctypes.get_errno()
            raise OSError(number, f"unshare(CLONE_NEWUSER): {os.strerror(number)}")
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"{identity['uid']} {uid} 1")
        Path("/proc/self/gid_map").write_text(f"{identity['gid']} {gid} 1")
    elif kind == "user":
        os.setgroups([identity["gid"]])
        os.setgid(identity["gid"])
        os.setuid(identity["uid"])


def _say(**reply: int) -> None:
    try:
        os.write(1, json.dumps(reply).encode() + b"\n")
    except BrokenPipeError:
        raise Ended from None


if __name__ == "__main__":
    if sys.platform != "linux":
        sys.exit("embedded servers run on Linux")
    main()
