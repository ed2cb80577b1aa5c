"""Switchboard as a whole: database, cache and service processes, started together and stopped together."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self

import psycopg

from scaleworthy.errors import ServerError, UsageError
from scaleworthy.runtime.limit import Quota
from scaleworthy.servers import Postgres, Valkey
from scaleworthy.switchboard.asana_stub import AsanaStub
from scaleworthy.switchboard.follow import forget_slot
from scaleworthy.switchboard.live.kafka import check_kafka
from scaleworthy.switchboard.llm_process import LlmProcess
from scaleworthy.switchboard.migrate import app_dsn, follower_dsn, migrate, relay_dsn
from scaleworthy.switchboard.processes import HttpProcesses
from scaleworthy.switchboard.seed import Size, is_empty, seed_database, size_named
from scaleworthy.switchboard.settings import Settings
from scaleworthy.switchboard.shape import Shape, shape_named

SECRET_VARIABLE = "SWITCHBOARD_WEBHOOK_SECRET"  # noqa: S105 - the name of a variable
LLM_KEY_VARIABLE = "SWITCHBOARD_LLM_KEY"
_DATABASE_NAME = "switchboard"
# So that what is kept can follow changes; a slot that nobody reads any longer keeps no more of the log than this.
_SETTINGS = {"wal_level": "logical", "max_slot_wal_keep_size": "1GB"}
_TENANTS_LISTED_MAX = 1000
_TENANTS = "select id::text, key from tenants order by demo desc, key limit %s"
_DEMO_KEY = "select key from tenants where demo"

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class TenantKey:
    """A tenant and what to send as `x-tenant-key` to be it."""

    id: str
    key: str


class Switchboard:
    """The running reference backend. Made by `start`; ended by `stop` or by `with`."""

    def __init__(
        self,
        *,
        stack: ExitStack,
        http: HttpProcesses,
        settings: Settings,
        database: str,
        tenants: Sequence[TenantKey],
        servers: dict[str, list[int]],
        on_progress: Progress,
    ) -> None:
        self._stack = stack
        self._http = http
        self._settings = settings
        self._servers = servers
        self._on_progress = on_progress
        self.database = database
        self.tenants = list(tenants)

    @classmethod
    def start(
        cls,
        *,
        shape: str = "day-one",
        size: str = "small",
        demo_tenant: bool = True,
        database: str | None = None,
        cache: str | None = None,
        seed: int = 1,
        until: datetime | None = None,
        port: int = 0,
        workers: int = 1,
        replicas: int = 0,
        replica: Sequence[str] = (),
        webhook_secret: str | None = None,
        llm: str | None = None,
        llm_models: Sequence[str] = (),
        tenant_rate: str | None = None,
        kafka: str | None = None,
        on_progress: Progress | None = None,
    ) -> Switchboard:
        """Return the service, answering.

        Args:
            shape: Name of the shape (shape.py).
            size: Name of the size an empty database is filled with (seed/size.py).
            demo_tenant: Whether a request without a key belongs to the demo tenant, and the test signature is accepted.
            database: DSN of a database, as its owner; None starts one.
            cache: URL of a Valkey or Redis; None starts one.
            seed: Of the data an empty database is filled with.
            until: When that data ends; None: the last midnight, UTC.
            port: Of 127.0.0.1; 0 takes a free one.
            workers: Service processes.
            replicas: How many replicas of the database it starts are started too; shape day-one does not read them.
            replica: DSNs of replicas of the database that was given, as its owner.
            webhook_secret: What payment events are signed with; None takes SWITCHBOARD_WEBHOOK_SECRET.
            llm: Where language models are asked (OpenAI's protocol), up to `/v1`; None starts a local endpoint that plays them.
                Its key is taken from SWITCHBOARD_LLM_KEY.
            llm_models: Names of models there, the chair first; none: those that the local endpoint plays.
            tenant_rate: Requests that a tenant may send each process, such as `500/s`; None: as the shape says.
            kafka: Brokers (`host:port`, with commas between) that every event goes to as well; shape tuned only.
            on_progress: Called with a line for people as the work goes on.

        Raises:
            UsageError: The port is in use, the database is somebody else's, the rate is none, replicas are asked for that it
                cannot have, or Kafka in a shape without an outbox.
            MissingExtra: Kafka is asked for, and its library is not installed.
            ServerError: A server or the service does not start.
        """
        say = on_progress or _say_nothing
        wanted, amount = shape_named(shape), size_named(size)
        _check_replicas(replicas, replica, database)
        check_kafka(kafka, wanted)
        if tenant_rate is not None:
            # Said now, before anything is started.
            Quota.parse(tenant_rate)
        with ExitStack() as stack:
            if database is not None:
                # Last, when no process reads it any longer.
                stack.callback(_forget_slot, database)
            http = stack.enter_context(HttpProcesses.bind(port=port, workers=workers))
            servers: dict[str, list[int]] = {"postgres": [], "valkey": [], "llm": []}
            postgres = None
            if database is None:
                postgres = stack.enter_context(Postgres.start(settings=_SETTINGS))
                database = postgres.create_database(_DATABASE_NAME)
                postgres.create_extension("pg_stat_statements", database=_DATABASE_NAME)
                servers["postgres"] = [postgres.pid]
            if cache is None:
                valkey = stack.enter_context(Valkey.start())
                cache = valkey.url
                servers["valkey"] = [valkey.pid]
            if llm is None:
                endpoint = stack.enter_context(LlmProcess.start())
                llm = endpoint.url
                servers["llm"] = [endpoint.pid]
            tasks = stack.enter_context(AsanaStub.start())
            _prepare(database, wanted, amount, seed=seed, until=until, say=say)
            followers = [stack.enter_context(postgres.replica()) for _ in range(replicas)] if postgres else []
            if followers:
                servers["replicas"] = [follower.pid for follower in followers]
            tenants, demo_key = _tenants_of(database)
            settings = Settings(
                shape=wanted.name,
                dsn=app_dsn(database),
                relay_dsn=relay_dsn(database),
                follower_dsn=follower_dsn(database),
                cache=cache,
                replicas=tuple(app_dsn(dsn) for dsn in (*replica, *(one.dsn_for(_DATABASE_NAME) for one in followers))),
                default_key=demo_key if demo_tenant else None,
                webhook_secret=webhook_secret or os.environ.get(SECRET_VARIABLE) or None,
                llm=llm,
                tasks=tasks.url,
                llm_key=os.environ.get(LLM_KEY_VARIABLE) or None,
                llm_models=tuple(llm_models),
                tenant_rate=tenant_rate,
                kafka=kafka,
            )
            http.serve(settings)
            say(f"Switchboard serves in shape {wanted.name} at {http.url}")
            return cls(
                stack=stack.pop_all(),
                http=http,
                settings=settings,
                database=database,
                tenants=tenants,
                servers=servers,
                on_progress=say,
            )

    @property
    def url(self) -> str:
        """Where it answers."""
        return self._http.url

    @property
    def cache(self) -> str:
        """URL of its cache."""
        return self._settings.cache or ""

    @property
    def shape(self) -> str:
        """Name of the shape it serves in."""
        return self._settings.shape

    @property
    def processes(self) -> dict[str, list[int]]:
        """Process ids by role: `http`, `postgres`, `valkey`, `llm`, and `replicas` where there are some; one that was given has none."""
        return {"http": self._http.pids, **self._servers}

    @property
    def ready_line(self) -> dict[str, Any]:
        """What `serve` prints when it is ready."""
        return {
            "url": self.url,
            "database": self.database,
            "cache": self.cache,
            "tenants": [{"id": tenant.id, "key": tenant.key} for tenant in self.tenants],
            "processes": self.processes,
        }

    def restart(self, *, shape: str) -> None:
        """Serve in another shape on the same port and data.

        Migrations of the new shape are applied; those of the old one stay. Open connections are closed; new ones wait until the new
        processes serve.

        Raises:
            UsageError: Events go to Kafka, and *shape* has no outbox.
        """
        wanted = shape_named(shape)
        check_kafka(self._settings.kafka, wanted)
        _migrate(self.database, wanted.migrations, self._on_progress)
        self._settings = replace(self._settings, shape=wanted.name)
        self._http.serve(self._settings)
        if wanted.cache_follows == "time":
            _forget_slot(self.database)
        self._on_progress(f"Switchboard serves in shape {wanted.name} at {self.url}")

    def check(self) -> None:
        """Raise if a service process has ended by itself.

        Raises:
            ServerError: With what the process said last.
        """
        said = self._http.first_ended()
        if said is not None:
            raise ServerError(f"a service process of Switchboard ended:\n{said}")

    def stop(self) -> None:
        """End everything that was started. Does nothing a second time."""
        self._stack.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def fill(
    dsn: str | None, *, size: str, seed: int, until: datetime | None = None, on_progress: Progress | None = None
) -> dict[str, int]:
    """Migrate the empty database at *dsn* (None: an embedded one, thrown away) and fill it; return the rows per table.

    Raises:
        UsageError: The database cannot be reached, is not empty, or is somebody else's.
    """
    say = on_progress or _say_nothing
    amount = size_named(size)
    with ExitStack() as stack:
        if dsn is None:
            dsn = stack.enter_context(Postgres.start()).create_database(_DATABASE_NAME)
        with _reached():
            _migrate(dsn, (), say)
            return seed_database(dsn, amount, seed=seed, until=until or last_midnight(), on_progress=say)


def _check_replicas(count: int, given: Sequence[str], database: str | None) -> None:
    if count < 0:
        raise UsageError(f"--replicas must be at least 0, got {count}")
    if count and database is not None:
        raise UsageError(
            "replicas are started of a database that is started here, and --database names another",
            hint="name its own replicas: --replica postgresql://user@host:port/name",
        )
    if given and database is None:
        raise UsageError(
            "--replica names a replica of a database that is not named",
            hint="name the database by --database, or have both started by --replicas 2",
        )


def _prepare(dsn: str, shape: Shape, size: Size, *, seed: int, until: datetime | None, say: Progress) -> None:
    """Bring a database to what *shape* needs: indexes come after the data, which is quicker than the other way round."""
    with _reached():
        _migrate(dsn, (), say)
        if is_empty(dsn):
            seed_database(dsn, size, seed=seed, until=until or last_midnight(), on_progress=say)
        _migrate(dsn, shape.migrations, say)


def _migrate(dsn: str, sets: Sequence[str], say: Progress) -> None:
    for name in migrate(dsn, sets=sets):
        say(f"applied migration {name}")


@contextmanager
def _reached() -> Iterator[None]:
    """Say what is wrong with a database that was given. A connection string is not repeated: it may hold a password."""
    try:
        yield
    except psycopg.OperationalError as error:
        reason = str(error).strip().partition("\n")[0]
        raise UsageError(
            f"the database cannot be used: {reason}", hint="check --database, and that it accepts you"
        ) from error
    except (psycopg.NotSupportedError, psycopg.errors.InsufficientPrivilege) as error:
        raise UsageError(
            f"the database cannot be used: {error.diag.message_primary or error}",
            hint="Switchboard needs pgvector: install it beside PostgreSQL, and let a superuser run CREATE EXTENSION vector here",
        ) from error
    except psycopg.ProgrammingError as error:
        reason = error.diag.message_primary or "the connection string cannot be read"
        raise UsageError(
            f"the database cannot be used: {reason}",
            hint="--database takes postgresql://user@host:port/name of a database's owner who may create roles",
        ) from error


def last_midnight() -> datetime:
    """Return when today began, UTC."""
    return datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def _forget_slot(dsn: str) -> None:
    with suppress(psycopg.Error):
        forget_slot(follower_dsn(dsn))


def _tenants_of(dsn: str) -> tuple[list[TenantKey], str | None]:
    with psycopg.connect(dsn) as connection:
        tenants = [TenantKey(*row) for row in connection.execute(_TENANTS, [_TENANTS_LISTED_MAX])]
        demo = connection.execute(_DEMO_KEY).fetchone()
    return tenants, str(demo[0]) if demo else None


def _say_nothing(_text: str) -> None:
    """Drop the line: nobody asked for it."""
