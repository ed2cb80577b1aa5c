"""A filled database and the service on it, run within the tests' own process."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import httpx
import psycopg
from jsonschema import Draft202012Validator

from scaleworthy.servers import Postgres
from scaleworthy.switchboard.app import create_app
from scaleworthy.switchboard.migrate import app_dsn, migrate, relay_dsn
from scaleworthy.switchboard.seed import seed_database
from scaleworthy.switchboard.seed.size import Size
from scaleworthy.switchboard.settings import Settings
from waiting import until

UNTIL = datetime(2026, 11, 1, tzinfo=UTC)
# Small enough to be quick, and with several pages of everything for each tenant.
TINY = Size("tiny", 4, 5, 5, 800, 4_000, 1_000, 400)
SECRET = "whsec_for_these_tests"


@dataclass
class Clock:
    """Time as these tests tell it."""

    at: datetime = UNTIL

    def now(self) -> datetime:
        return self.at

    def advance(self, **delta: float) -> None:
        self.at += timedelta(**delta)


@dataclass
class Data:
    """A filled database of its own."""

    owner: str
    app: str
    tenants: list[tuple[str, str]]

    def rows(self, statement: str, values: Any = ()) -> list[tuple[Any, ...]]:
        """Ask as superuser, past every policy."""
        with psycopg.connect(self.owner, autocommit=True) as connection:
            cursor = connection.execute(statement, values)
            return cursor.fetchall() if cursor.description else []


@cache
def _description() -> Any:
    """The service's own description, with the names of its paths as expressions."""
    described = create_app(Settings(shape="tuned", dsn="")).openapi()
    paths = [
        (re.compile("(?:/api)?" + re.sub(r"\\{\w+\\}", "[^/]+", re.escape(path.removeprefix("/api")))), operations)
        for path, operations in described["paths"].items()
    ]
    return described, sorted(paths, key=lambda item: item[0].pattern.count("[^/]+"))


def check_as_described(answer: httpx.Response) -> None:
    """Hold an answer against the description: every test of a route is one of its schema."""
    described, paths = _description()
    method, path = answer.request.method.lower(), answer.request.url.path
    operation = next((one[method] for form, one in paths if form.fullmatch(path) and method in one), None)
    if operation is None or answer.status_code == 304:
        return
    said = operation["responses"].get(str(answer.status_code))
    assert said is not None, f"{method} {path}: {answer.status_code} is not described: {answer.text}"
    kind = answer.headers.get("content-type", "").partition(";")[0]
    content = said.get("content", {})
    assert kind in content or "*/*" in content or not answer.content, f"{method} {path}: {kind} is not described"
    if kind == "application/json" and kind in content:
        schema = content[kind]["schema"] | {"components": described["components"]}
        errors = [
            f"{error.json_path}: {error.message}" for error in Draft202012Validator(schema).iter_errors(answer.json())
        ]
        assert not errors, f"{method} {path}: {errors[:3]}"


@dataclass
class Api:
    """A running service, spoken to without a socket."""

    client: httpx.AsyncClient
    data: Data
    clock: Clock
    shape: str
    keys: list[str] = field(default_factory=list)

    async def send(self, method: str, path: str, *, tenant: int | None = 0, **given: Any) -> httpx.Response:
        headers = dict(given.pop("headers", {}))
        if tenant is not None:
            headers["x-tenant-key"] = self.keys[tenant]
        answer = await self.client.request(method, path, headers=headers, **given)
        check_as_described(answer)
        return answer

    async def get(self, path: str, *, tenant: int | None = 0, **given: Any) -> httpx.Response:
        return await self.send("GET", path, tenant=tenant, **given)

    async def post(self, path: str, *, tenant: int | None = 0, **given: Any) -> httpx.Response:
        return await self.send("POST", path, tenant=tenant, **given)


async def handled(data: Data) -> None:
    """Wait until no webhook is in the queue."""
    await until(lambda: not data.rows("select 1 from webhook_queue"), "no webhook is queued")


def fill(postgres: Postgres, name: str, *, sets: tuple[str, ...] = ()) -> Data:
    """Return a database of its own: a copy of one that was filled once."""
    if postgres.run_sql("select count(*) from pg_database where datname = 'filled'") == "0":
        fill_anew(postgres, "filled")
    made = copy(postgres, name, of="filled")
    migrate(made.owner, sets=sets)
    return made


def copy(postgres: Postgres, name: str, *, of: str) -> Data:
    """Return a copy of the database called *of*."""
    postgres.run_sql(f"create database {name} template {of}")
    return described(postgres.dsn_for(name))


def fill_anew(postgres: Postgres, name: str, *, seed: int = 7) -> Data:
    """Return a database that was migrated and seeded."""
    owner = postgres.create_database(name)
    migrate(owner)
    seed_database(owner, TINY, seed=seed, until=UNTIL, on_progress=lambda _text: None)
    return described(owner)


def described(owner: str) -> Data:
    with psycopg.connect(owner) as connection:
        tenants = connection.execute("select id::text, key from tenants order by demo desc, key").fetchall()
    return Data(owner, app_dsn(owner), [(str(row[0]), str(row[1])) for row in tenants])


@asynccontextmanager
async def serving(
    data: Data,
    shape: str,
    *,
    cache: str | None = None,
    demo: bool = False,
    clock: Clock | None = None,
    database_wait_s: float = 5.0,
    **settings: Any,
) -> AsyncIterator[Api]:
    """Run the service in this process, its lifespan included; *settings* are those that are not named here."""
    clock = clock or Clock()
    default_key = data.tenants[0][1] if demo else None
    told = Settings(
        shape=shape,
        dsn=data.app,
        relay_dsn=relay_dsn(data.owner),
        cache=cache,
        default_key=default_key,
        webhook_secret=SECRET,
        **settings,
    )
    app = create_app(told, now=clock.now, database_wait_s=database_wait_s)
    transport = httpx.ASGITransport(app, raise_app_exceptions=True)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://test") as client,
    ):
        yield Api(client, data, clock, shape, [key for _, key in data.tenants])
