"""An answer as a Locust file sees it, and what a file may say of it (`catch_response`)."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from http import HTTPStatus
from types import TracebackType
from typing import Any, Self

from scaleworthy._native import Response as Answer
from scaleworthy.load.scenarios.errors import RequestFailed
from scaleworthy.load.scenarios.locust.exceptions import CatchResponseError, LocustError, ResponseError
from scaleworthy.load.scenarios.locust.headers import Headers


class HTTPError(OSError):
    """Raised by `raise_for_status` where the package requests is not loaded; else it is that one's own HTTPError."""


class Asked:
    """What was asked: `response.request`."""

    __slots__ = ("body", "headers", "method", "url")

    def __init__(self, method: str, url: str, body: Any, headers: Any) -> None:
        self.method = method
        self.url = url
        self.body = body
        self.headers = headers


class Response:
    """An answer; status 0 and `error` where none came. It is counted unless its block says otherwise."""

    js: Any = None
    encoding: str | None = None
    history: tuple[Any, ...] = ()
    error: RequestFailed | None = None
    failed: Exception | None = None
    tell: Callable[[], None] | None = None
    _entered = False
    _result: bool | Exception | None = None

    def __init__(self, answer: Answer | None, error: RequestFailed | None, *, request: Asked, caught: bool) -> None:
        self._answer = answer
        self._caught = caught
        self.request = request
        self.status_code = 0 if answer is None else answer.status
        if error is not None:
            self.error = self.failed = error

    @property
    def url(self) -> str:
        """The URL that was asked for."""
        return self.request.url

    @property
    def ok(self) -> bool:
        """Whether an answer came, with a status below 400."""
        return 0 < self.status_code < 400

    @property
    def content(self) -> bytes:
        """The body."""
        return b"" if self._answer is None else self._answer.content

    @property
    def text(self) -> str:
        """The body as text."""
        if self._answer is None:
            return ""
        return self._answer.text if self.encoding is None else self.content.decode(self.encoding, "replace")

    def json(self, **options: Any) -> Any:
        """Return the body read as JSON; ValueError where it is none."""
        return json.loads(self.text if self._answer is None or options else self.content, **options)

    @property
    def headers(self) -> Headers:
        """The headers; names in any case."""
        return Headers({} if self._answer is None else self._answer.headers)

    @property
    def cookies(self) -> dict[str, str]:
        """The cookies that this answer sets."""
        lines = [] if self._answer is None else self._answer.header_values("set-cookie")
        pairs = (line.partition(";")[0].partition("=") for line in lines)
        return {name.strip(): value.strip() for name, _, value in pairs}

    @property
    def elapsed(self) -> timedelta:
        """From the send to the last byte."""
        return timedelta(microseconds=0 if self._answer is None else self._answer.elapsed_ns / 1e3)

    @property
    def reason(self) -> str:
        """The status in words."""
        try:
            return HTTPStatus(self.status_code).phrase
        except ValueError:
            return ""

    @property
    def is_redirect(self) -> bool:
        """Whether this answer leads elsewhere."""
        return self.status_code in (301, 302, 303, 307, 308) and "location" in self.headers

    def iter_content(self, chunk_size: int = 1024, decode_unicode: bool = False) -> Iterator[Any]:
        """Give the body, which is there already, in pieces."""
        whole: Any = self.text if decode_unicode else self.content
        return (whole[at : at + chunk_size] for at in range(0, len(whole), chunk_size))

    def iter_lines(self, *_: Any, decode_unicode: bool = False, **__: Any) -> Iterator[Any]:
        """Give the body, which is there already, by lines."""
        return iter((self.text if decode_unicode else self.content).splitlines())

    def close(self) -> None:
        """Do nothing: the body is there already."""

    def __bool__(self) -> bool:
        return self.ok

    def raise_for_status(self) -> None:
        """Raise where no answer came, or one with a status from 400 on, or `failure` was said."""
        if self._result is True:
            return
        if isinstance(self._result, Exception):
            raise self._result
        if self.error is not None:
            raise self.error
        if self.status_code >= 400:
            raise _http_error()(f"{self.status_code} {self.reason} for url: {self.url}")

    def __enter__(self) -> Self:
        if not self._caught:
            raise LocustError("a request in a with block needs catch_response=True")
        self._entered = True
        return self

    def __exit__(
        self, kind: type[BaseException] | None, raised: BaseException | None, trace: TracebackType | None
    ) -> bool:
        if self._result is None and raised is not None and not isinstance(raised, ResponseError):
            return False
        if isinstance(raised, ResponseError) and self._result is None:
            self._result = raised
        self.settle()
        return raised is None or isinstance(raised, ResponseError)

    def success(self) -> None:
        """Count the request as answered well, whatever its status."""
        self._needs_block()
        self._result = True

    def failure(self, exc: Any) -> None:
        """Count the request as failed, with this text or exception."""
        self._needs_block()
        self._result = exc if isinstance(exc, Exception) else CatchResponseError(exc)

    def _needs_block(self) -> None:
        if not self._entered:
            raise LocustError("success() and failure() need a with block and catch_response=True")

    def settle(self) -> None:
        """Count the answer as what it is, or was said to be."""
        answer = self._answer
        if answer is None:
            self.failed = self._result if isinstance(self._result, Exception) else self.error
        elif self._result is True:
            answer.expect(status=self.status_code)
        elif isinstance(self._result, Exception):
            self.failed = self._result
            answer.count_failure("expect-body", str(self._result) or type(self._result).__name__)
        elif self.status_code >= 400:
            self.failed = _http_error()(f"{self.status_code} {self.reason} for url: {self.url}")
            answer.count_failure("expect-status", f"got status {self.status_code}")
        if self.tell is not None:
            self.tell()


def _http_error() -> type[Exception]:
    requests = sys.modules.get("requests")
    return HTTPError if requests is None else requests.exceptions.HTTPError
