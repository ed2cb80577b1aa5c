"""Start a server on a port and see it answer: the part that is the same for every kind of server."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from scaleworthy.errors import ServerError, UsageError
from scaleworthy.servers.kept import Command, Kept
from scaleworthy.servers.patience import Patience, free_port, last_lines, port_is_free

PORT_TRIES = 5
_IN_USE = "Address already in use"


def require_free(port: int | None) -> None:
    """Refuse a port that somebody else listens on, before anything is made.

    Raises:
        UsageError: It is in use.
    """
    if port is not None and not port_is_free(port):
        raise _port_in_use(port)


def serve(
    kept: Kept,
    name: str,
    command_for: Callable[[int], Command],
    *,
    port: int | None,
    ready: Callable[[int], bool],
    stop: Sequence[tuple[int, float]],
    log: Path,
    patience: Patience,
) -> tuple[int, int]:
    """Start the server; return its port and pid once it answers. A chosen port that is lost meanwhile is chosen again.

    Args:
        kept: The keeper that starts it.
        name: What to call it in messages.
        command_for: The command for a port.
        port: The port wanted; None chooses.
        ready: Does the server of this pid answer?
        stop: Signals that end it, each with the seconds it may take.
        log: Its log.
        patience: How long it may take.

    Raises:
        ServerError: It ended, or did not answer in time; the text ends with its last log lines.
        UsageError: The port that was wanted is in use.
    """
    for _ in range(PORT_TRIES if port is None else 1):
        chosen = port or free_port()
        begin = log.stat().st_size if log.exists() else 0
        pid = kept.serve(command_for(chosen), stop=stop)

        def settled(pid: int = pid) -> bool:
            return kept.exit_status() is not None or ready(pid)

        if not patience.until(settled):
            raise ServerError(
                f"{name} does not answer after {patience.limit_s:g} s\n{last_lines(log)}",
                hint="a large cluster that recovers from a crash needs more time: give a longer patience",
            )
        if (status := kept.exit_status()) is None:
            return chosen, pid
        if _IN_USE not in log.read_text(errors="replace")[begin:]:
            raise ServerError(f"{name} ended while starting, with status {status}\n{last_lines(log)}")
    if port is not None:
        raise _port_in_use(port)
    raise ServerError(f"each of {PORT_TRIES} ports that were free was taken before {name} could listen on it")


def _port_in_use(port: int) -> UsageError:
    return UsageError(
        f"port {port} of 127.0.0.1 is in use", hint="name another port, or none to have a free one chosen"
    )
