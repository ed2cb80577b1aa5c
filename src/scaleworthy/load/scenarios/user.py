"""A user of a Python scenario: its requests, its time to think, what it checks and records."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import Awaitable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Unpack

from scaleworthy._native import Awaited, PreparedRequest, Response, ScriptUser
from scaleworthy.load.scenarios.asking import Options, auth_header, body_of, with_query
from scaleworthy.load.scenarios.cookies import Cookies
from scaleworthy.load.scenarios.naming import route_name
from scaleworthy.load.scenarios.streaming import Stream, stream_text
from scaleworthy.load.scenarios.times import seconds_ns, think_ns
from scaleworthy.load.scenarios.uploading import Upload, upload_of
from scaleworthy.load.scenarios.websocket import WebSocket

if TYPE_CHECKING:
    from scaleworthy.load.scenarios.world import World

_GROUPS: ContextVar[tuple[str, ...]] = ContextVar("scaleworthy_groups", default=())


class User(ScriptUser):
    """Someone inside a scenario. In a closed load (users) it repeats its scenarios; in an open one (a rate) it comes once.

    Attributes:
        state: Its own, kept from one iteration to the next.
        headers: Sent with each of its requests.
        data: What the file's `@setup` returned.
        number: The iteration's number, unique over all workers.
    """

    state: dict[str, Any]
    headers: dict[str, str]
    data: Any
    _world: World
    _random: tuple[int, random.Random] | None = None

    @staticmethod
    def once(
        target: str,
        *,
        row: Mapping[str, Any] | None = None,
        data: Any = None,
        headers: Mapping[str, str] | None = None,
        owned: Collection[str] = (),
        seed: int = 0,
    ) -> AbstractAsyncContextManager[User]:
        """Return one user of *target*, for a test that calls a scenario once: `async with User.once(url) as user: …`.

        Its requests are real ones, sent by an engine of its own; nothing is recorded.

        Args:
            row: What `user.row` is.
            data: What `@setup` would have returned.
            headers: Sent with each of its requests.
            owned: Hosts beyond loopback that you may send requests to.
            seed: Of `user.random`.
        """
        from scaleworthy.load.scenarios.alone import user_alone

        return user_alone(target, row=row, data=data, headers=headers, owned=owned, seed=seed)

    def keep_cookies(self, response: Response) -> None:
        """Take the cookies that an answer sets into the jar."""
        for origin, value in response.set_cookies:
            self.cookies.keep(value, request_path="/", origin=origin)

    def settle_in(self, world: World) -> None:
        """Join the users of a process."""
        self._world = world
        self.data = world.data
        self.state = {}

    @property
    def cookies(self) -> Cookies:
        """Its jar; filled by answers."""
        if self.jar is None:
            self.jar = Cookies()
        jar: Cookies = self.jar
        return jar

    def request(self, method: str, path: str, **options: Unpack[Options]) -> Response:
        """Send any request. It is on its way at once; awaiting it waits for the answer.

        Args:
            method: Such as "GET".
            path: Path and query at the target; a whole URL goes to its own origin.
            options: See `Options`.

        Returns:
            The answer to come. Awaiting raises RequestFailed where none comes.

        Raises:
            ValueError: A method, path or header that cannot be sent.
        """
        upload = upload_of(options) if "body" in options else None
        if upload is not None:
            return upload.send(self, self._prepared(method, path, options, upload=upload))
        bare = not options and self.is_bare
        prepared = self._prepared(method, path, options)
        if bare:
            self.line.remember(method, path, prepared)
        return self.send(prepared)

    def stream(
        self,
        method: str,
        path: str,
        *,
        kind: str = "sse",
        goodput: Mapping[str, float | str] | None = None,
        age: Mapping[str, str] | None = None,
        **options: Unpack[Options],
    ) -> Stream:
        """Ask for an answer that is read event by event: `async with user.stream("GET", "/events") as stream: …`.

        Args:
            kind: `sse` (server-sent events), `ndjson` (a JSON value a line), or `llm` (a language model's answer).
            goodput: What a model's good answer keeps to: `ttft`, `tpot`, `e2e`, each a time.
            age: Where an event tells when it was sent, such as `{"json": "$.sent_ms", "unit": "ms"}`.
            options: As for `request`.

        Raises:
            ValueError: A method, path, header or stream that there is not.
        """
        options["stream"] = {"kind": kind, "goodput": goodput, "age": age}
        return Stream(self, self._prepared(method, path, options, hands_over=True))

    def websocket(self, path: str, *, subprotocols: Sequence[str] = (), **options: Unpack[Options]) -> WebSocket:
        """Ask for a WebSocket: `async with user.websocket("/live") as ws: …`.

        Args:
            subprotocols: Offered to the server, the preferred one first.
            options: `name` (of the opening, and what is said is named after it), `headers`, `params`, `auth`, `cookies`, `timeout`
                and `tags`, as for `request`.

        Raises:
            ValueError: A path or header that cannot be sent, or a plan that speaks HTTP/2.
        """
        name = options.get("name") or route_name("WS", path)
        options["name"] = name
        return WebSocket(self, self._prepared("GET", path, options, socket=subprotocols), name)

    def _prepared(
        self,
        method: str,
        path: str,
        options: Options,
        *,
        hands_over: bool = False,
        upload: Upload | None = None,
        socket: Sequence[str] | None = None,
    ) -> PreparedRequest:
        world = self._world
        origin, full_path = world.place_of(path)
        full_path = with_query(full_path, options.get("params"))
        name = options.get("name") or route_name(method, path)
        groups = _GROUPS.get()
        if groups:
            name = " / ".join((*groups, name))
        body, content_type = body_of(options) if upload is None else (None, upload.content_type)
        headers = {key.lower(): value for key, value in self.headers.items()}
        if "auth" in options:
            headers["authorization"] = auth_header(options["auth"])
        headers |= {key.lower(): value for key, value in options.get("headers", {}).items()}
        if content_type is not None:
            headers.setdefault("content-type", content_type)
        self._add_cookies(headers, full_path, origin, options.get("cookies"))
        timeout = options.get("timeout")
        return PreparedRequest(
            self.line,
            step=world.step(name, options.get("tags")),
            origin=origin,
            method=method,
            path=full_path,
            headers=list(headers.items()),
            body=body,
            timeout_ns=None if timeout is None else seconds_ns(timeout),
            follows_redirects=options.get("follow_redirects", True),
            stream=stream_text(options["stream"]) if "stream" in options else None,
            hands_over=hands_over,
            uploads=upload is not None,
            upload_bytes=upload.length if upload is not None else None,
            socket=None if socket is None else list(socket),
        )

    def _add_cookies(self, headers: dict[str, str], path: str, origin: int, own: Mapping[str, str] | None) -> None:
        kept = self.jar.header(path, origin=origin) if self.jar is not None else None
        given = "; ".join(f"{name}={value}" for name, value in (own or {}).items())
        joined = "; ".join(text for text in (headers.get("cookie"), given, kept) if text)
        if joined:
            headers["cookie"] = joined

    def think(self, time_text: str | float) -> Awaited:
        """Wait as a person would: "30s", drawn evenly from "1s..3s", or seconds. Cut short when the run ends."""
        return self.rest(think_ns(time_text, self))

    async def gather(self, *awaited: Awaitable[Any]) -> list[Any]:
        """Wait for several requests (or anything else) at once and return their results in order.

        Where one raises, the others are cancelled, and it is raised here.
        """
        if all(isinstance(one, Awaited) for one in awaited):
            return await self._gather_requests(awaited)
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(_awaiting(one)) for one in awaited]
        return [task.result() for task in tasks]

    async def _gather_requests(self, awaited: tuple[Awaitable[Any], ...]) -> list[Any]:
        results: list[Any] = []
        try:
            for one in awaited:
                results.append(await one)  # noqa: PERF401 - they are all under way; this only collects
        except BaseException:
            for one in awaited[len(results) :]:
                if isinstance(one, Awaited):
                    one.cancel()
            raise
        return results

    @contextlib.contextmanager
    def group(self, name: str) -> Iterator[None]:
        """Put *name* before the names of the steps inside: `checkout / GET /cart`."""
        token = _GROUPS.set((*_GROUPS.get(), name))
        self.grouped += 1
        try:
            yield
        finally:
            self.grouped -= 1
            _GROUPS.reset(token)

    def check(self, name: str, condition: object) -> bool:
        """Count whether *condition* holds (`load.checks`); nothing is raised, and no request fails by it."""
        self._world.count("load.checks", {"check": name, "outcome": "pass" if condition else "fail"}, 1.0, "checks")
        return bool(condition)

    @contextlib.contextmanager
    def timed(self, name: str) -> Iterator[None]:
        """Measure what happens inside (`load.timed`): a query, a message, anything that is awaited; errors are timed too."""
        begun_ns = time.monotonic_ns()
        try:
            yield
        finally:
            self._world.time("load.timed", {"name": name}, time.monotonic_ns() - begun_ns)

    def record(self, series: str, value: float, unit: str = "", **labels: str) -> None:
        """Record a value of a series of your own.

        Args:
            series: Its name, such as "cart.items".
            value: With the unit "ns", "us", "ms" or "s" it is one of a distribution of times; with "level", what is so at
                the moment; else an amount that adds up.
            unit: What is counted or measured.
            labels: What tells series of one name apart.
        """
        self._world.record_own(series, value, unit, labels)

    @property
    def world(self) -> World:
        """What it shares with the other users of its process."""
        return self._world

    @property
    def row(self) -> Mapping[str, Any]:
        """This iteration's row of the file's feeders (`feed`)."""
        return self._world.row(self.number)

    @property
    def random(self) -> random.Random:
        """Random numbers of this iteration: the same in every run of the same seed."""
        if self._random is None or self._random[0] != self.number:
            self._random = (self.number, random.Random(f"{self._world.seed}/{self.number}"))
        return self._random[1]


async def _awaiting(awaited: Awaitable[Any]) -> Any:
    return await awaited
