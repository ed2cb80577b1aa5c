"""`self.client`: requests as the package requests writes them, sent by the engine."""

from __future__ import annotations

import base64
import contextlib
import time
from collections.abc import Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from scaleworthy._native import PreparedRequest
from scaleworthy.load.scenarios.errors import RequestFailed
from scaleworthy.load.scenarios.locust.asking import body_of, timeout_ns, with_params
from scaleworthy.load.scenarios.locust.cookies import CookieJar
from scaleworthy.load.scenarios.locust.greenlets import current, wait_for
from scaleworthy.load.scenarios.locust.headers import Headers
from scaleworthy.load.scenarios.locust.response import Asked, Response
from scaleworthy.load.scenarios.naming import route_name

if TYPE_CHECKING:
    from scaleworthy.load.scenarios.locust.users import User

FIRST_HEADERS = {"accept-encoding": "gzip, deflate", "accept": "*/*"}
READY_MAX = 1_000
_PLAIN = frozenset({"name", "catch_response", "allow_redirects", "context", "stream"})
_KNOWN = _PLAIN | {"params", "data", "json", "headers", "cookies", "files", "auth", "timeout"}
_SETTLED = frozenset({"verify", "cert", "proxies", "hooks"})
"""Options of one request that are the plan's to say here (TLS, proxies), or nobody's."""


class HttpSession:
    """One user's client: its headers, cookies and login, kept from request to request.

    Attributes:
        base_url: What paths are added to.
        auth: `(user, password)` sent with each request.
        request_name: Given to requests that name none.
    """

    verify: Any = True
    cert: Any = None
    trust_env = False
    stream = False

    def __init__(
        self,
        *,
        user: User,
        base_url: str,
        timeout_s: float | None = None,
        headers: Mapping[str, str] | None = None,
        **_: Any,
    ) -> None:
        self._user = user
        self._asks = user.asks
        self._ready: dict[Any, tuple[PreparedRequest, Asked]] = {}
        self._timeout_s = timeout_s
        self._auth: Any = None
        self._headers = Headers({**FIRST_HEADERS, **(headers or {})}, self._ready.clear)
        self.params: Mapping[str, Any] = {}
        self.base_url = base_url.rstrip("/")
        self.request_name: str | None = None
        self.proxies: dict[str, str] = {}

    @property
    def headers(self) -> Headers:
        """Sent with each request."""
        return self._headers

    @headers.setter
    def headers(self, headers: Mapping[str, str]) -> None:
        self._ready.clear()
        self._headers = Headers(headers, self._ready.clear)

    @property
    def auth(self) -> Any:
        """`(user, password)` of each request."""
        return self._auth

    @auth.setter
    def auth(self, auth: Any) -> None:
        self._ready.clear()
        self._auth = auth

    @property
    def cookies(self) -> CookieJar:
        """The user's cookies; answers fill it."""
        return CookieJar(self._asks.cookies)

    @property
    def cookiejar(self) -> CookieJar:
        """The cookies, by the name that FastHttpUser's client has for them."""
        return self.cookies

    @contextlib.contextmanager
    def rename_request(self, name: str) -> Iterator[None]:
        """Give this name to the requests inside."""
        self.request_name = name
        try:
            yield
        finally:
            self.request_name = None

    def get(self, url: str, **options: Any) -> Response:
        """Send a GET and wait for its answer."""
        return self.request("GET", url, **options)

    def head(self, url: str, **options: Any) -> Response:
        """Send a HEAD and wait for its answer; redirects are not followed unless it is asked for."""
        options.setdefault("allow_redirects", False)
        return self.request("HEAD", url, **options)

    def options(self, url: str, **options: Any) -> Response:
        """Send an OPTIONS and wait for its answer."""
        return self.request("OPTIONS", url, **options)

    def post(self, url: str, data: Any = None, json: Any = None, **options: Any) -> Response:
        """Send a POST and wait for its answer."""
        return self.request("POST", url, data=data, json=json, **options)

    def put(self, url: str, data: Any = None, json: Any = None, **options: Any) -> Response:
        """Send a PUT and wait for its answer."""
        return self.request("PUT", url, data=data, json=json, **options)

    def patch(self, url: str, data: Any = None, json: Any = None, **options: Any) -> Response:
        """Send a PATCH and wait for its answer."""
        return self.request("PATCH", url, data=data, json=json, **options)

    def delete(self, url: str, **options: Any) -> Response:
        """Send a DELETE and wait for its answer."""
        return self.request("DELETE", url, **options)

    def request(self, method: str, url: str, name: str | None = None, **options: Any) -> Response:
        """Send a request and wait for its answer.

        Where no answer comes nothing is raised: the status is 0, and `error` says why.

        Raises:
            TypeError: An option that is not known.
            ValueError: An URL at a host that the plan does not name, or what cannot be sent.
        """
        stack = current()
        if stack is None:
            raise RuntimeError("self.client is for the code of a user: tasks, on_start, on_stop")
        caught = options.get("catch_response", False)
        if (not options or options.keys() <= _PLAIN) and not self._asks.jar and not self.params:
            key = (method, url, name or self.request_name, options.get("allow_redirects", True))
            ready = self._ready.get(key)
            if ready is None:
                if len(self._ready) >= READY_MAX:
                    self._ready.clear()
                ready = self._ready[key] = self._prepare(method, url, name, options)
            prepared, asked = ready
        else:
            prepared, asked = self._prepare(method, url, name, options)
        told = self._user.environment.events.request
        begun_s = time.time() if told.listeners else 0.0
        try:
            response = Response(wait_for(stack.asks.send(prepared)), None, request=asked, caught=caught)
        except RequestFailed as error:
            response = Response(None, error, request=asked, caught=caught)
        if told.listeners:
            context = {**self._user.context(), **options.get("context", {})}
            response.tell = partial(told.tell_of, response, name or self.request_name or url, begun_s, context)
        if not caught:
            response.settle()
        return response

    def _url(self, url: str) -> str:
        if url.startswith(("http://", "https://")):
            return url
        return f"{self.base_url}{url}" if url.startswith("/") else f"{self.base_url}/{url}"

    def _prepare(
        self, method: str, url: str, name: str | None, options: dict[str, Any]
    ) -> tuple[PreparedRequest, Asked]:
        if unknown := options.keys() - _KNOWN - _SETTLED:
            raise TypeError(f"{method} {url} has no option {', '.join(sorted(unknown))}")
        whole_url = self._url(url)
        origin, path = self._asks.world.place_of(whole_url)
        full_path = with_params(with_params(path, self.params), options.get("params"))
        body = body_of(options.get("data"), options.get("json"), options.get("files"))
        headers = {key.lower(): value for key, value in self._headers.items() if value is not None}
        auth = options.get("auth") or self._auth
        if auth is not None:
            headers |= _auth_headers(auth)
        headers |= {key.lower(): str(value) for key, value in (options.get("headers") or {}).items()}
        if body.kind is not None:
            headers.setdefault("content-type", body.kind)
        pairs = [f"{key}={value}" for key, value in (options.get("cookies") or {}).items()]
        jar = self._asks.jar
        texts = [headers.get("cookie"), *pairs, jar.header(full_path, origin=origin) if jar else None]
        if joined := "; ".join(text for text in texts if text):
            headers["cookie"] = joined
        named = name or self.request_name
        line = self._asks.line
        prepared = PreparedRequest(
            line,
            step=line.step(f"{method} {named}" if named else route_name(method, urlsplit(url).path)),
            origin=origin,
            method=method,
            path=full_path,
            headers=list(headers.items()),
            body=body.content,
            timeout_ns=timeout_ns(options.get("timeout", self._timeout_s)),
            follows_redirects=options.get("allow_redirects", True),
        )
        return prepared, Asked(method, whole_url, body.content, self._headers)


def _auth_headers(auth: Any) -> dict[str, str]:
    if isinstance(auth, tuple | list) and len(auth) == 2:
        pair = f"{auth[0]}:{auth[1]}".encode()
        return {"authorization": "Basic " + base64.b64encode(pair).decode()}
    if callable(auth):
        # As the package requests has it: an object that changes the request it is given; here it sees its headers.
        asked = Asked("", "", None, {})
        auth(asked)
        return {key.lower(): value for key, value in asked.headers.items()}
    raise TypeError(f"auth is (user, password), got {type(auth).__name__}")
