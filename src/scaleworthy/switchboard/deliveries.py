"""Tasks on their way to the other service, which has limits and bad days of its own.

Question: how does a task get there once, when it can be slow, refuse, or be gone?
Answer:   it is a row first (`queued`), so that what we have acknowledged is kept; whoever wrote it sends it at once, within our limit and
          behind a breaker; what does not get through is sent again later, by any process, until it does. Its own id goes along, and makes a
          second sending harmless.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

import psycopg
from psycopg_pool import PoolTimeout, TooManyRequests

from scaleworthy.errors import MissingExtra
from scaleworthy.runtime.breaker import Breaker, BreakerOpen
from scaleworthy.runtime.limit import Limit
from scaleworthy.runtime.retry import retry
from scaleworthy.switchboard.database import Database, Row, Statement
from scaleworthy.switchboard.queries import tasks as sql

if TYPE_CHECKING:
    import httpx

_ANSWER_S = 1.0
_LEASE_S = 30
_LOOK_S = 2.0
_TENANTS_A_LOOK = 20
_TASKS_A_LOOK = 10
_WAIT_MOST_S = 300
_ERROR_MAX = 200


class NotTaken(Exception):
    """The other service did not take a task; *after_s* says when it may be asked again, None that it never will."""

    def __init__(self, why: str, *, after_s: float | None) -> None:
        super().__init__(why)
        self.after_s = after_s


class Deliveries:
    """What sends tasks to *url* (None: they stay queued). `open` starts the looking for those that wait, `close` ends it."""

    def __init__(self, url: str | None, database: Database, *, now: Callable[[], datetime], rate: str = "20/s") -> None:
        self._url = url
        self._database = database
        self._now = now
        self._breaker = Breaker(
            "tasks",
            least_calls=5,
            slow="900ms",
            open_for="2s",
            counts=lambda error: not isinstance(error, NotTaken) or error.after_s is not None,
        )
        self._limit = Limit(rate, burst=10)
        self._client: httpx.AsyncClient | None = None
        self._looking: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Start to look for tasks that wait."""
        if self._url is None:
            return
        try:
            import httpx
        except ImportError as error:
            raise MissingExtra("switchboard", needed_for="sending tasks") from error
        self._client = httpx.AsyncClient(timeout=_ANSWER_S, limits=httpx.Limits(max_connections=10), trust_env=False)
        self._looking = asyncio.create_task(self._look())

    async def close(self) -> None:
        """Stop. What was not sent waits in its row."""
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.gather(self._looking, return_exceptions=True)
        if self._client is not None:
            await self._client.aclose()

    def trouble(self) -> str | None:
        """Return why tasks are queued and not sent."""
        return self._breaker.trouble()

    def lease(self) -> datetime:
        """Return until when who takes a task now has it to itself."""
        return self._now() + timedelta(seconds=_LEASE_S)

    async def send(self, tenant: UUID, task: Row) -> Row:
        """Send a task that is leased, mark what came of it, and return its row as it is then."""
        values: dict[str, Any] = {
            "id": task["id"],
            "delivery": "delivered",
            "remote_id": None,
            "error": None,
            "next": None,
        }
        try:
            values["remote_id"] = await self._sent(task)
        except NotTaken as refused:
            values["error"] = str(refused)[:_ERROR_MAX]
            if refused.after_s is None:
                values["delivery"] = "refused"
            else:
                wait_s = min(_WAIT_MOST_S, max(refused.after_s, 2.0 ** min(task["attempts"], 10)))
                values |= {"delivery": "queued", "next": self._now() + timedelta(seconds=wait_s)}
        [marked] = await self._database.run(tenant, Statement(sql.MARK, values))
        return marked[0] if marked else task

    async def look_once(self) -> int:
        """Send what is due of every tenant; return how many tasks were tried."""
        tried = 0
        now = self._now()
        waiting = await self._database.unscoped(Statement(sql.WAITING, {"now": now, "most": _TENANTS_A_LOOK}))
        for tenant in waiting:
            values = {"now": now, "lease": self.lease(), "most": _TASKS_A_LOOK}
            [leased] = await self._database.run(tenant["id"], Statement(sql.LEASE, values))
            for task in leased:
                await self.send(tenant["id"], task)
                tried += 1
        return tried

    async def _look(self) -> None:
        while True:
            await asyncio.sleep(_LOOK_S)
            try:
                await self.look_once()
            except (psycopg.Error, PoolTimeout, TooManyRequests):
                continue  # the database is gone or busy: health says so, and the rows are there when it is back

    async def _sent(self, task: Row) -> str:
        """Return the number that the other service gave the task.

        Raises:
            NotTaken: It did not take it, or was not asked.
        """
        if self._client is None:
            raise NotTaken("no service for tasks is configured", after_s=_WAIT_MOST_S)
        if not self._limit.allows("tasks"):
            raise NotTaken("our own limit for the service of tasks is reached", after_s=1)
        try:
            with self._breaker.call():
                return await self._ask(task)
        except BreakerOpen as error:
            raise NotTaken(str(error), after_s=error.retry_after_s) from error

    async def _ask(self, task: Row) -> str:
        import httpx

        # A connection that was closed while it lay idle is no trouble of the service's: once more, at once.
        @retry(httpx.RemoteProtocolError, attempts=2, timeout_s=_ANSWER_S, wait_initial_s=0.01)
        async def post() -> httpx.Response:
            assert self._client is not None
            fields = {"name": task["title"], "notes": task["notes"], "external": f"{task['tenant_id']}:{task['id']}"}
            return await self._client.post(f"{self._url}/tasks", json={"data": fields})

        try:
            answer = await post()
        except httpx.HTTPError as error:
            raise NotTaken(f"the service of tasks does not answer: {type(error).__name__}", after_s=2) from error
        if answer.status_code == 429 or answer.status_code >= 500:
            told = answer.headers.get("retry-after", "")
            after_s = float(told) if told.isdecimal() else 2.0
            raise NotTaken(f"the service of tasks answers {answer.status_code}", after_s=min(after_s, _WAIT_MOST_S))
        try:
            if answer.status_code == 201:
                return str(answer.json()["data"]["gid"])
        except (ValueError, KeyError, TypeError) as error:
            raise NotTaken("the service of tasks answers what cannot be read", after_s=2) from error
        raise NotTaken(f"the service of tasks refuses it with {answer.status_code}", after_s=None)
