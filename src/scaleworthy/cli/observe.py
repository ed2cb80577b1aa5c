"""`scaleworthy observe`: keep what a service's host, processes, database and cache do, without loading it."""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated

from cyclopts import Group, Parameter

from scaleworthy.cli.groups import RESULT
from scaleworthy.errors import InvalidInput, UsageError
from scaleworthy.observe import HostSource, Observer, PostgresSource, ProcessSource, Source, ValkeySource
from scaleworthy.observe.sources.processes import is_there
from scaleworthy.series import Recording, Store
from scaleworthy.units import format_quantity, parse_duration_ns

WHAT = Group("What", sort_key=1)


def observe(
    *,
    database: Annotated[str | None, Parameter(group=WHAT, metavar="DSN")] = None,
    cache: Annotated[str | None, Parameter(group=WHAT, metavar="URL")] = None,
    pid: Annotated[tuple[str, ...], Parameter(group=WHAT, negative="", metavar="ROLE=PID", show_default=False)] = (),
    duration: Annotated[str, Parameter(name="--for", group=WHAT, metavar="TIME")] = "30s",
    out: Annotated[Path, Parameter(group=RESULT, metavar="FILE.sw")] = Path("run.sw"),
) -> int:
    """Record each second what the host, a service's processes, PostgreSQL and Valkey do. Nothing is changed.

    Examples:

        scaleworthy observe --for 5m --out monday.sw

        scaleworthy observe --database postgresql://localhost/app --pid http=4711,4712 --pid postgres=801

        scaleworthy observe --cache redis://127.0.0.1:6379/0 --for 30s --out run.sw

    Exit status: 0 recorded, 1 something that was asked for could not be seen, or the recording not be written, 2 usage.

    Args:
        database: PostgreSQL whose statistics are read: a libpq URL or key=value string; its role needs
            pg_read_all_stats. [default: none]
        cache: Valkey or Redis that is asked INFO, such as redis://127.0.0.1:6379/0. [default: none]
        pid: ROLE=PID[,PID...]: processes of the service, counted with their children. May be repeated.
        duration: How long, such as 30s or 5m. Ctrl-C ends it early and keeps what was seen.
        out: Where the recording goes; a file that is there is not overwritten.
    """
    seconds = parse_duration_ns(duration) / 1e9
    if seconds <= 0:
        raise UsageError(f"--for must be above 0 s, got {duration!r}")
    sources: list[Source] = [HostSource()]
    if pid:
        sources.append(ProcessSource(parse_roles(pid)))
    if database is not None:
        sources.append(PostgresSource(database))
    if cache is not None:
        sources.append(ValkeySource(cache))
    stopped = threading.Event()
    with Recording.create(out, run={"command": "observe", "started_at": time.time()}) as recording:
        observer = Observer(recording, sources)
        with _ended_by_signal(stopped), observer:
            stopped.wait(seconds)
        if observer.failure is not None:
            raise observer.failure
        lines, all_seen = summary(recording, sources)
    print("\n".join([*lines, f"recorded: {out}"]))
    return 0 if all_seen else 1


@contextlib.contextmanager
def _ended_by_signal(stopped: threading.Event) -> Iterator[None]:
    """Let SIGINT and SIGTERM within the block end it in good order."""
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, lambda _number, _frame: stopped.set()) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


def parse_roles(pids: Sequence[str]) -> dict[str, list[int]]:
    """Return role → process ids of `ROLE=PID[,PID...]`.

    Raises:
        InvalidInput: Another form, or a process that is not there; all are listed.
    """
    roles: dict[str, list[int]] = {}
    problems: list[str] = []
    for text in pids:
        role, _, numbers = text.partition("=")
        if not role or not all(number.isdigit() for number in numbers.split(",")):
            problems.append(f"--pid: wanted ROLE=PID[,PID...], such as http=4711, got {text!r}")
            continue
        found = [int(number) for number in numbers.split(",")]
        problems += [f"--pid {role}: there is no process {number}" for number in found if not is_there(number)]
        roles.setdefault(role, []).extend(found)
    if problems:
        raise InvalidInput("observe", problems, hint="`ps -C NAME -o pid=` lists the processes of a program")
    return roles


def summary(store: Store, sources: Sequence[Source]) -> tuple[list[str], bool]:
    """Return what was seen, a line per source and event, and whether every source that was asked for answered."""
    lines = [event.text for event in store.events("observe")]
    for item in store.fact("postgres", "missing") or []:
        lines += [f"missing: {item['what']}: {item['why']}", *([f"  cure: {item['cure']}"] if item["cure"] else [])]
    seen = True
    for source in sources:
        label, what, unit = _SHOWN[source.name]
        value = store.total(what) if unit in _COUNTED else store.mean(what)
        answered = bool(store.keys(what)) and value is not None
        seen &= answered
        if not answered:
            lines.append(f"next: {_CURES[source.name]}")
        lines.append(f"{label:<20}{format_quantity(value, unit) if answered and value is not None else 'not seen'}")
    return lines, seen


_CURES = {
    "host": "/proc must be readable",
    "processes": "name processes that run, with --pid",
    "postgres": "check --database: postgresql://USER@HOST:5432/DATABASE, and that the server is up and lets the user in",
    "valkey": "check --cache: redis://HOST:6379/0, and that the server is up",
}
_SHOWN = {
    "host": ("host CPU, mean", "host.cpu", "ratio"),
    "processes": ("service CPU", "process.cpu_seconds", "s"),
    "postgres": ("transactions", "postgres.transactions", "transactions"),
    "valkey": ("cache commands", "valkey.commands", "commands"),
}
_COUNTED = {"s", "transactions", "commands"}
