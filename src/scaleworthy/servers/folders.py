"""The folders servers live in while they run: named after their owner, so that what a killed owner left can be found.

A name says which process made the folder: its pid, its start time, and which boot and pid namespace those count in.
All of it is in the name, so a folder is never without an owner, not even for an instant.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from scaleworthy.servers.keeper import MARKS, start_ticks

SOCKET_FOLDER_MAX = 107 - len("/.s.PGSQL.65535.lock")
_NAME = re.compile(r"sw-(?P<kind>[a-z]+)-(?P<pid>\d+)\.(?P<ticks>\d+)\.(?P<world>[0-9a-f]{8})-.+")


@dataclass(frozen=True, slots=True)
class Folders:
    """One server's folders: the main one, and the one for sockets, inside it unless its path would be too long."""

    main: Path
    sockets: Path

    def all(self) -> list[Path]:
        """Return the folders to remove at the end."""
        return [self.main] if self.sockets.parent == self.main else [self.main, self.sockets]


def make_folders(kind: str, *, within: Path | None = None) -> Folders:
    """Return new folders (mode 0700) of this process in *within*, or in the system's temporary folder.

    Sweeps what killed processes left there first. A socket's path has at most 107 bytes; where *within* is too long
    for that, the socket's folder is made in /tmp.
    """
    places = {within or Path(tempfile.gettempdir()), Path("/tmp")}  # noqa: S108 - made by mkdtemp
    for place in places:
        sweep(place)
    main = _make(kind, within)
    if len(os.fsencode(main / "s")) <= SOCKET_FOLDER_MAX:
        (main / "s").mkdir(mode=0o700)
        return Folders(main, main / "s")
    return Folders(main, _make(kind, Path("/tmp")))  # noqa: S108 - made by mkdtemp


def _make(kind: str, within: Path | None) -> Path:
    pid = os.getpid()
    return Path(tempfile.mkdtemp(prefix=f"sw-{kind}-{pid}.{start_ticks(pid)}.{_world()}-", dir=within))


def sweep(within: Path) -> list[Path]:
    """Remove the folders whose owner and whose server are both dead; return them.

    Only folders of our own name, our own user, this boot and this pid namespace are looked at: elsewhere a pid says
    nothing about who is alive.
    """
    swept: list[Path] = []
    for entry in os.scandir(within):
        name = _NAME.fullmatch(entry.name)
        if name is None or name["world"] != _world():
            continue
        try:
            ours = entry.is_dir(follow_symlinks=False) and entry.stat(follow_symlinks=False).st_uid == os.geteuid()
        except FileNotFoundError:
            continue
        path = Path(entry.path)
        if ours and not alive(int(name["pid"]), int(name["ticks"])) and not _marked_alive(path):
            shutil.rmtree(path, ignore_errors=True)
            swept.append(path)
    return swept


def alive(pid: int, ticks: int) -> bool:
    """Is that very process running? A pid taken over by another process, and a defunct one, are not."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return int(fields[19]) == ticks and fields[0] not in "ZX"


def _marked_alive(path: Path) -> bool:
    """Does the keeper or the server that marked this folder still run?"""
    try:
        lines = (path / MARKS).read_text().splitlines()
    except FileNotFoundError:
        return False
    return any(alive(*map(int, line.split())) for line in lines if len(line.split()) == 2)


def _world() -> str:
    """Return what pids and start times are relative to: this boot and this pid namespace."""
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return hashlib.sha256(f"{boot} {Path('/proc/self/ns/pid').readlink()}".encode()).hexdigest()[:8]
