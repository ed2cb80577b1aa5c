"""A PostgreSQL cluster on disk: where its parts are, whom it runs as, how it is initialised, configured and served."""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from scaleworthy.errors import ServerError, UsageError
from scaleworthy.servers import settings as conf
from scaleworthy.servers.binaries import PostgresBinaries
from scaleworthy.servers.folders import Folders
from scaleworthy.servers.identity import Identity, identities_for
from scaleworthy.servers.kept import Command, Kept
from scaleworthy.servers.patience import Patience, last_lines
from scaleworthy.servers.serving import serve

USER = "postgres"
BUILTIN_LOCALE_SINCE = 17


@dataclass(frozen=True, slots=True)
class Cluster:
    """Where one server's things are, and whom it runs as."""

    folder: Path
    data: Path
    sockets: Path
    log: Path
    identity: Identity
    binaries: PostgresBinaries
    temporary: bool
    fresh: bool


def lay_out(
    kept: Kept,
    folders: Folders,
    data: Path | None,
    binaries: PostgresBinaries,
    patience: Patience,
    *,
    primary: str | None = None,
) -> Cluster:
    """Make the folders, choose the identity, and initialise the data folder if it is new, or copy it from *primary*."""
    temporary = data is None
    data = folders.main / "data" if data is None else data.absolute()
    fresh = _is_fresh(data, binaries)
    identity = next((one for one in identities_for(data) if kept.can_be(one)), None)
    if identity is None:
        raise ServerError(
            "PostgreSQL does not run as root, and becoming another user is forbidden here",
            hint="allow user namespaces (sysctl user.max_user_namespaces), or run as a user other than root",
        )
    folder, sockets, log = folders.main, folders.sockets, folders.main / "server.log"
    log.touch(mode=0o600)
    data.mkdir(mode=0o700, parents=True, exist_ok=True)
    if identity.kind == "user":
        folder.chmod(0o711)
        binaries = binaries.readable_copy(folder)
        for path in (data, sockets):
            os.chown(path, identity.uid, identity.gid)
    cluster = Cluster(folder, data, sockets, log, identity, binaries, temporary, fresh)
    if primary is not None:
        _copy(kept, cluster, primary, patience)
    elif fresh:
        _initialise(kept, cluster, patience)
    return cluster


def _is_fresh(data: Path, binaries: PostgresBinaries) -> bool:
    """Is the data folder still to be initialised? Refuse one that holds something else."""
    if not data.exists() or not any(data.iterdir()):
        return True
    version = data / "PG_VERSION"
    if not version.exists():
        raise UsageError(f"{data} is not empty and holds no PostgreSQL cluster", hint="name an empty or a new folder")
    major, found = binaries.major(), version.read_text().strip()
    if found != major:
        raise UsageError(
            f"{data} was written by PostgreSQL {found}, and this one is {major}",
            hint=f"name another folder, or give the binaries of PostgreSQL {found}",
        )
    return False


def _initialise(kept: Kept, cluster: Cluster, patience: Patience) -> None:
    argv = [str(cluster.binaries.tool("initdb")), "-D", str(cluster.data), "-U", USER, "--auth=trust", "--no-sync"]
    argv += ["--no-instructions", "--encoding=UTF8", "--locale=C"]
    if int(cluster.binaries.major()) >= BUILTIN_LOCALE_SINCE:  # it needs nothing of the host's
        argv += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
    status = kept.run(_command(cluster, argv), limit_s=patience.limit_s)
    if status != 0:
        raise ServerError(
            f"PostgreSQL could not initialise {cluster.data} (initdb ended with {status})\n{last_lines(cluster.log)}",
            hint="is the folder writable, and is there room on its disk?",
        )


def _copy(kept: Kept, cluster: Cluster, primary: str, patience: Patience) -> None:
    """Copy the primary's data, with what makes a server of it that follows the primary."""
    argv = [str(cluster.binaries.tool("pg_basebackup")), "-d", primary, "-D", str(cluster.data)]
    argv += ["--write-recovery-conf", "--wal-method=stream", "--checkpoint=fast", "--no-sync"]
    status = kept.run(_command(cluster, argv), limit_s=patience.limit_s)
    if status != 0:
        raise ServerError(
            f"the server could not be copied (pg_basebackup ended with {status})\n{last_lines(cluster.log)}",
            hint="does it run, and is there room for a second copy of its data?",
        )


def configure(cluster: Cluster, given: Mapping[str, str], *, fsync: bool) -> list[str]:
    """Write the settings; return those that must go on the command line instead, since the cluster is not of our making."""
    if cluster.fresh or (cluster.data / conf.CONF).exists():
        conf.write(cluster.data, {**conf.sized(conf.memory_bytes(), fsync=fsync), **given})
        if cluster.identity.kind == "user":
            os.chown(cluster.data / conf.CONF, cluster.identity.uid, cluster.identity.gid)
        return []
    return [part for name, value in given.items() for part in ("-c", f"{name}={value}")]


def serve_cluster(
    kept: Kept, cluster: Cluster, port: int | None, extra: list[str], patience: Patience
) -> tuple[int, int]:
    """Start the server on its cluster; return its port and pid once it takes connections."""

    def command_for(chosen: int) -> Command:
        argv = [str(cluster.binaries.tool("postgres")), "-D", str(cluster.data)]
        argv += ["-c", f"port={chosen}", "-c", "listen_addresses=127.0.0.1"]
        argv += ["-c", f"unix_socket_directories={_listed(cluster.sockets)}", *extra]
        return _command(cluster, argv)

    return serve(
        kept,
        "PostgreSQL",
        command_for,
        port=port,
        ready=lambda pid: _is_ready(cluster.data, pid),
        stop=_stop_signals(cluster),
        log=cluster.log,
        patience=patience,
    )


def _stop_signals(cluster: Cluster) -> list[tuple[int, float]]:
    """A fast shutdown; data that go away anyway need no last checkpoint."""
    quick = [(int(signal.SIGQUIT), 10.0)]
    return quick if cluster.temporary else [(int(signal.SIGINT), 60.0), *quick]


def _is_ready(data: Path, pid: int) -> bool:
    """Does the postmaster *pid* take connections? It says so in line 8 of postmaster.pid, which pg_ctl waits for too."""
    try:
        lines = (data / "postmaster.pid").read_text().splitlines()
    except FileNotFoundError:
        return False
    # The pid as well: a crashed server leaves the file, and "ready" in it.
    return len(lines) > 7 and lines[7].strip() == "ready" and lines[0].strip() == str(pid)


def _command(cluster: Cluster, argv: list[str]) -> Command:
    return Command(argv, cluster.identity, cluster.log, environment(), cluster.folder)


def environment() -> dict[str, str]:
    """Our environment without what would steer PostgreSQL (PGDATA, PGPORT, …), and with messages in English."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PG")} | {
        "LC_ALL": "C",
        "PGCLIENTENCODING": "UTF8",
    }


def _listed(path: Path) -> str:
    """Quote a path for a setting that is a list, so that spaces and commas in it are its own."""
    return '"' + str(path).replace('"', '""') + '"'
