"""Send each second of a running load to a metrics service, beside the run and never in its way.

A thread of its own sends; what does not get away within a minute's worth of seconds is dropped and counted, because a run
is not to wait for whoever watches it.
"""

from __future__ import annotations

import http.client
import queue
import threading
import urllib.request
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from scaleworthy.errors import UsageError
from scaleworthy.load.results import otlp, remote_write
from scaleworthy.load.second import Second
from scaleworthy.series import Histogram
from scaleworthy.series.model import SeriesKey, Slice
from scaleworthy.series.prometheus import samples

SECONDS_WAITING_MAX = 60
TIMEOUT_S = 5.0
SCHEMES = ("prometheus+http", "prometheus+https", "otlp+http", "otlp+https")


def check_push(url: str) -> None:
    """Refuse a URL that says no service.

    Raises:
        UsageError: Its scheme is none of SCHEMES, or it has no host.
    """
    parts = urlsplit(url)
    if parts.scheme not in SCHEMES or not parts.hostname:
        raise UsageError(
            f"--push {url!r} names no metrics service",
            hint="such as prometheus+http://127.0.0.1:9090/api/v1/write or otlp+http://127.0.0.1:4318/v1/metrics",
        )


class Push:
    """Sends what `add` is given; use it as a context manager.

    Attributes:
        sent: Seconds that got away.
        lost: Seconds that did not: refused, or too many waiting.
        problem: The first reason why one was lost.
    """

    def __init__(
        self, url: str, *, target: str, send: Callable[[str, bytes, dict[str, str]], None] | None = None
    ) -> None:
        check_push(url)
        kind, _, rest = url.partition("+")
        self._url = rest
        self._encode = self._remote_write if kind == "prometheus" else self._otlp
        self._target = target
        self._send = send or _post
        self._waiting: queue.Queue[Second | None] = queue.Queue(SECONDS_WAITING_MAX)
        self._totals: dict[SeriesKey, Histogram | float] = {}
        self._thread = threading.Thread(target=self._run, name="push", daemon=True)
        self.sent = 0
        self.lost = 0
        self.problem: str | None = None

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._waiting.put(None, timeout=TIMEOUT_S)
        except queue.Full:
            self.lost += self._waiting.qsize()
            return
        self._thread.join(TIMEOUT_S * 2)

    def add(self, second: Second) -> None:
        """Send *second* as soon as those before it are sent."""
        try:
            self._waiting.put_nowait(second)
        except queue.Full:
            self._lose(f"{SECONDS_WAITING_MAX} seconds are waiting already")

    def _run(self) -> None:
        while (second := self._waiting.get()) is not None:
            try:
                body, headers = self._encode(second.second, second.slices)
                self._send(self._url, body, headers)
            except (OSError, http.client.HTTPException) as error:
                self._lose(str(error) or type(error).__name__)
            else:
                self.sent += 1

    def _lose(self, reason: str) -> None:
        self.lost += 1
        self.problem = self.problem or reason

    def _remote_write(self, second: int, slices: Sequence[Slice]) -> tuple[bytes, dict[str, str]]:
        # Prometheus counts from the beginning: totals, not increments.
        for key, value in slices:
            before = self._totals.get(key)
            if isinstance(value, Histogram):
                total = before.copy() if isinstance(before, Histogram) else Histogram()
                total.merge(value)
                self._totals[key] = total
            elif key.kind == "counter" and isinstance(before, int | float):
                self._totals[key] = before + value
            else:
                self._totals[key] = value
        told = [sample for key, _ in slices for sample in samples(key, self._totals[key])]
        return remote_write.write_request((second + 1) * 1_000, told), remote_write.HEADERS

    def _otlp(self, second: int, slices: Sequence[Slice]) -> tuple[bytes, dict[str, str]]:
        message = otlp.encode([(second, key, value) for key, value in slices], target=self._target)
        return message.SerializeToString(), {"content-type": "application/x-protobuf"}


def _post(url: str, body: bytes, headers: dict[str, str]) -> None:
    request = urllib.request.Request(url, data=body, headers=headers, method="POST")  # noqa: S310 - the scheme was checked
    with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:  # noqa: S310
        answer.read(65_536)
