"""User classes: what a Locust file derives its users from."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from scaleworthy.load.scenarios.locust.response import Response
from scaleworthy.load.scenarios.locust.session import HttpSession
from scaleworthy.load.scenarios.locust.tasks import RootTaskSet, TaskSet, tasks_of
from scaleworthy.load.scenarios.locust.waiting import constant

if TYPE_CHECKING:
    from scaleworthy.load.scenarios.locust.environment import Environment
    from scaleworthy.load.scenarios.user import User as Asks

_EXCERPT = 200
_JSON = {"content-type": "application/json", "accept": "application/json"}


class UserMeta(type):
    """Collects the tasks of a class; a class is abstract only where it says so itself."""

    def __new__(cls, name: str, bases: tuple[type, ...], body: dict[str, Any]) -> UserMeta:
        """Make the class, with `tasks` as a list."""
        made = {**body, "tasks": tasks_of(bases, body)}
        made.setdefault("abstract", False)
        return super().__new__(cls, name, bases, made)


class User(metaclass=UserMeta):
    """Someone who carries out tasks, one after the other, with a wait after each."""

    abstract = True
    host: str | None = None
    weight: float = 1
    fixed_count: int = 0
    tasks: Any = ()
    wait_time: Any = constant(0)
    client: Any = None

    def __init__(self, environment: Environment) -> None:
        self.environment = environment
        self._paced_from_s = time.perf_counter()
        self._root = RootTaskSet(self)

    @property
    def asks(self) -> Asks:
        """Whom the engine knows in this user's place."""
        return self.environment.asks

    def on_start(self) -> None:
        """Called when the user comes."""

    def on_stop(self) -> None:
        """Called when the user goes."""

    def wait(self) -> None:
        """Wait for the wait time."""
        self._root.wait()

    def context(self) -> Mapping[str, Any]:
        """Return what listeners of requests are told about the user."""
        return {}

    def live(self) -> None:
        """Come, carry out tasks, and go."""
        try:
            self.on_start()
            self._root.run()
        finally:
            self.on_stop()

    @classmethod
    def fullname(cls) -> str:
        """Return module and class."""
        return f"{cls.__module__}.{cls.__qualname__}"


class _WithClient(User):
    """A user whose `client` speaks HTTP."""

    abstract = True

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        self.host = environment.host_of(self)
        self.client = HttpSession(user=self, base_url=self.host, **self._client_options())

    def _client_options(self) -> dict[str, Any]:
        return {}

    @contextlib.contextmanager
    def rest(
        self, method: str, url: str, headers: Mapping[str, str] | None = None, **options: Any
    ) -> Iterator[Response]:
        """Send a request that is answered in JSON (`response.js`); what goes wrong inside the block is a failure of it."""
        own = {name.lower(): value for name, value in (headers or {}).items()}
        with self.client.request(method, url, catch_response=True, headers={**_JSON, **own}, **options) as response:
            if response.error is not None:
                response.failure(str(response.error))
            elif response.content:
                try:
                    response.js = response.json()
                except json.JSONDecodeError as error:
                    response.failure(f"the answer is no JSON: {error}; it was {response.text[:_EXCERPT]}")
            try:
                yield response
            except AssertionError as error:
                text = str(error) or "an assertion failed"
                excerpt = f" the answer was {response.text[:_EXCERPT]}" if text.endswith(",") else ""
                response.failure(f"{text}{excerpt}")
            except Exception as error:  # noqa: BLE001 - as in Locust: it is this request's failure, and the task goes on
                response.failure(f"{type(error).__name__}: {error}; the answer was {response.text[:_EXCERPT]}")

    @contextlib.contextmanager
    def rest_(self, method: str, url: str, name: str | None = None, **options: Any) -> Iterator[Response]:
        """Send what `rest` does, with the time in the query, so that no cache answers."""
        mark = "&" if "?" in url else "?"
        own_name = name or f"{url}{mark}_=..."
        with self.rest(method, f"{url}{mark}_={time.time_ns() // 1_000_000}", name=own_name, **options) as response:
            yield response


class HttpUser(_WithClient):
    """A user whose `client` is that of the package requests, in Locust; the engine's own here."""

    abstract = True
    pool_manager: Any = None


class FastHttpUser(_WithClient):
    """A user whose `client` is Locust's faster one; here both are the engine's own."""

    abstract = True
    network_timeout: float = 60.0
    connection_timeout: float = 60.0
    max_redirects: int = 30
    max_retries: int = 0
    insecure: bool = True
    default_headers: Mapping[str, str] | None = None
    concurrency: int = 10
    proxy_host: str | None = None
    proxy_port: int | None = None
    client_pool: Any = None
    ssl_context_factory: Any = None

    def _client_options(self) -> dict[str, Any]:
        return {"timeout_s": self.network_timeout, "headers": self.default_headers}


__all__ = ["FastHttpUser", "HttpUser", "TaskSet", "User"]
