"""`scaleworthy switchboard`: run the reference backend, or fill a database with its data."""

from __future__ import annotations

import json
import signal
import sys
import threading
from datetime import UTC, datetime
from types import FrameType, ModuleType
from typing import Annotated, Literal

from cyclopts import App, Parameter

from scaleworthy.errors import MissingExtra, UsageError

app = App(name="switchboard", help="The reference backend: a multi-tenant voice and CRM service in two shapes.")

ShapeName = Literal["day-one", "tuned"]
SizeName = Literal["small", "full"]
_WATCH_S = 1.0


@app.command
def serve(
    *,
    shape: ShapeName = "tuned",
    port: int = 0,
    demo_tenant: Annotated[bool, Parameter(negative=())] = False,
    database: str | None = None,
    cache: str | None = None,
    size: SizeName = "small",
    seed: int = 1,
    workers: Annotated[int, Parameter(name="--workers")] = 1,
) -> None:
    """Serve until Ctrl-C; print one JSON line when ready: url, database, cache, tenants, processes.

    Without --database and --cache, embedded servers are started, and gone again at the end. An empty database is migrated and
    filled. Payment events are checked against the secret in SWITCHBOARD_WEBHOOK_SECRET.

    Parameters
    ----------
    shape
        day-one: how such backends start. tuned: the same service with indexes, keyset pages, one statement per list, cache.
    port
        Port of 127.0.0.1; 0 takes a free one.
    demo_tenant
        A request without x-tenant-key belongs to the demo tenant, and the webhook signature test_signature is accepted.
    database
        DSN of a PostgreSQL database, as its owner.
    cache
        URL of a Valkey or Redis, such as redis://127.0.0.1:6379/0.
    size
        What an empty database is filled with. small: 10 tenants, 20,000 leads. full: 100 tenants, 200,000 leads.
    seed
        Of that data; the same seed gives the same data.
    workers
        Service processes.
    """
    if workers < 1:
        raise UsageError(f"--workers must be at least 1, got {workers}")
    ended = threading.Event()

    def end(_signal: int, _frame: FrameType | None) -> None:
        if ended.is_set():
            raise KeyboardInterrupt
        ended.set()
        if not serving:
            raise KeyboardInterrupt

    serving = False
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, end)
    with _service().Switchboard.start(
        shape=shape,
        size=size,
        demo_tenant=demo_tenant,
        database=database,
        cache=cache,
        seed=seed,
        port=port,
        workers=workers,
        on_progress=_say,
    ) as switchboard:
        serving = True
        print(json.dumps(switchboard.ready_line), flush=True)
        while not ended.wait(_WATCH_S):
            switchboard.check()
        _say("stopping")


@app.command
def seed(
    *,
    database: str | None = None,
    size: SizeName = "full",
    seed: int = 1,
    until: datetime | None = None,
) -> None:
    """Migrate an empty database and fill it by COPY; print the rows per table as JSON.

    Parameters
    ----------
    database
        DSN of a PostgreSQL database, as its owner. Without it an embedded server is filled and thrown away: how long does it take?
    size
        small: 10 tenants, 20,000 leads. full: 100 tenants, 200,000 leads, 1,000,000 activities, 100,000 calls.
    seed
        The same seed and date give the same data.
    until
        When the year of data ends, such as 2026-11-01; the last midnight (UTC) by default.
    """
    end = until.replace(tzinfo=UTC) if until else None
    print(json.dumps(_service().fill(database, size=size, seed=seed, until=end, on_progress=_say)))


def _service() -> ModuleType:
    """Return the service's module; it needs packages that the base install does not have."""
    try:
        from scaleworthy.switchboard import service
    except ImportError as error:
        raise MissingExtra("all", needed_for="the reference backend") from error
    return service


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
