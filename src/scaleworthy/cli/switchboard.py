"""`scaleworthy switchboard`: run the reference backend, play language models, or fill a database with its data."""

from __future__ import annotations

import json
import signal
import sys
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from types import FrameType, ModuleType
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import App, Parameter

from scaleworthy.errors import MissingExtra, UsageError
from scaleworthy.units import parse_duration_ns

if TYPE_CHECKING:
    from scaleworthy.switchboard.llm_process import LlmProcess
    from scaleworthy.switchboard.llm_settings import LlmSettings

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
    llm: str | None = None,
    llm_models: Annotated[str, Parameter(name="--llm-models")] = "",
    size: SizeName = "small",
    seed: int = 1,
    workers: Annotated[int, Parameter(name="--workers")] = 1,
    replicas: int = 0,
    replica: Annotated[tuple[str, ...], Parameter(negative=())] = (),
    tenant_rate: str | None = None,
    kafka: str | None = None,
) -> None:
    """Serve until Ctrl-C; print one JSON line when ready: url, database, cache, tenants, processes.

    Without --database, --cache and --llm, embedded servers are started, and gone again at the end. An empty database is migrated and
    filled. Payment events are checked against the secret in SWITCHBOARD_WEBHOOK_SECRET.

    Parameters
    ----------
    shape
        day-one: how such backends start. tuned: the same answers by indexes, fewer statements, caches, queues; its README lists all.
    port
        Port of 127.0.0.1; 0 takes a free one.
    demo_tenant
        A request without x-tenant-key belongs to the demo tenant, and the webhook signature test_signature is accepted.
    database
        DSN of a PostgreSQL database, as its owner.
    cache
        URL of a Valkey or Redis, such as redis://127.0.0.1:6379/0.
    llm
        URL of language models that speak OpenAI's protocol, up to /v1; the key is taken from SWITCHBOARD_LLM_KEY. Without it a local
        endpoint plays them.
    llm_models
        Names of models there, with commas between: the council's chair first, then its members.
    size
        What an empty database is filled with. small: 10 tenants, 20,000 leads. full: 100 tenants, 200,000 leads.
    seed
        Of that data; the same seed gives the same data.
    workers
        Service processes.
    replicas
        Replicas of the embedded database, started with it; shape tuned reads from them.
    replica
        DSN of a replica of --database, as its owner; may be given several times.
    tenant_rate
        Requests that a tenant may send each process, such as 500/s; what comes beyond is answered 429. By default as the shape says.
    kafka
        Brokers that every event goes to as well, such as 127.0.0.1:9092, with commas between; shape tuned only.
    """
    if workers < 1:
        raise UsageError(f"--workers must be at least 1, got {workers}")
    ending = _Ending()
    with _service().Switchboard.start(
        shape=shape,
        size=size,
        demo_tenant=demo_tenant,
        database=database,
        cache=cache,
        llm=llm,
        llm_models=[name.strip() for name in llm_models.split(",") if name.strip()],
        seed=seed,
        port=port,
        workers=workers,
        replicas=replicas,
        replica=replica,
        tenant_rate=tenant_rate,
        kafka=kafka,
        on_progress=_say,
    ) as switchboard:
        print(json.dumps(switchboard.ready_line), flush=True)
        ending.wait(switchboard.check)


@app.command
def llm(
    *,
    port: int = 0,
    first: str = "50ms",
    tokens_per_s: Annotated[float, Parameter(name="--tokens-per-s")] = 200.0,
    tokens: int = 40,
    requests_per_minute: int | None = None,
    tokens_per_minute: int | None = None,
    models: str = "",
    key: str | None = None,
    failed: float = 0.0,
    stalled: float = 0.0,
    paused: float = 0.0,
    broken: float = 0.0,
    half: float = 0.0,
    garbled: float = 0.0,
    mangled: float = 0.0,
    endless: float = 0.0,
    seed: int = 1,
) -> None:
    """Play language models until Ctrl-C: OpenAI's chat completions with limits, stalls and failures; print one JSON line when ready.

    The same question has the same answer, of known length; it is not clever. GET /counts says what it was asked; PUT /settings, such as
    {"first_s": 0.2, "failed": 0.5}, changes how it behaves and answers with all settings. Faults are shares of requests from 0 to 1, at
    most 1 together.

    Parameters
    ----------
    port
        Port of 127.0.0.1; 0 takes a free one.
    first
        Time until the first token.
    tokens_per_s
        Tokens a second from then on.
    tokens
        Tokens of an answer, unless the request's max_tokens is lower.
    requests_per_minute
        Of each model; beyond it 429 with Retry-After. Without limit by default.
    tokens_per_minute
        Of each model, questions and answers; beyond it 429 with Retry-After. Without limit by default.
    models
        Names it answers to, with commas between; any by default.
    key
        The bearer token it wants; any or none by default.
    failed
        Answered 500.
    stalled
        Never answered.
    paused
        Stopped half-way, and left open.
    broken
        Cut half-way.
    half
        Ended within an event.
    garbled
        With an event that is no JSON.
    mangled
        With an event that is no UTF-8.
    endless
        Going on until the client leaves, at any rate.
    seed
        Of the faults: the same seed, the same ones.
    """
    process, settings = _llm_parts()
    named = tuple(name.strip() for name in models.split(",") if name.strip())
    wanted = settings(
        first_s=parse_duration_ns(first) / 1e9,
        tokens_per_s=tokens_per_s,
        tokens=tokens,
        requests_per_minute=requests_per_minute,
        tokens_per_minute=tokens_per_minute,
        failed=failed,
        stalled=stalled,
        paused=paused,
        broken=broken,
        half=half,
        garbled=garbled,
        mangled=mangled,
        endless=endless,
        seed=seed,
        models=named,
        key=key,
    )
    ending = _Ending()
    with process.start(wanted, port=port) as endpoint:
        print(json.dumps({"url": endpoint.url, "processes": {"llm": [endpoint.pid]}}), flush=True)
        ending.wait(endpoint.check)


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


class _Ending:
    """Waits for Ctrl-C or SIGTERM; before `wait`, and a second time, they interrupt."""

    def __init__(self) -> None:
        self._ended = threading.Event()
        self._is_waiting = False
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._end)

    def wait(self, check: Callable[[], None]) -> None:
        """Return when it is over; *check* now and then whether what runs still does."""
        self._is_waiting = True
        while not self._ended.wait(_WATCH_S):
            check()
        _say("stopping")

    def _end(self, _signal: int, _frame: FrameType | None) -> None:
        is_again = self._ended.is_set()
        self._ended.set()
        if is_again or not self._is_waiting:
            raise KeyboardInterrupt


def _llm_parts() -> tuple[type[LlmProcess], type[LlmSettings]]:
    """Return what plays the models; it needs packages that the base install does not have."""
    try:
        from scaleworthy.switchboard.llm_process import LlmProcess
        from scaleworthy.switchboard.llm_settings import LlmSettings
    except ImportError as error:
        raise MissingExtra("all", needed_for="the local model endpoint") from error
    return LlmProcess, LlmSettings


def _service() -> ModuleType:
    """Return the service's module; it needs packages that the base install does not have."""
    try:
        from scaleworthy.switchboard import service
    except ImportError as error:
        raise MissingExtra("all", needed_for="the reference backend") from error
    return service


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
