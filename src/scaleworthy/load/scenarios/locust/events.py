"""Events: what a file listens to, and how its own clients say what they measured."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from scaleworthy.load.scenarios.locust.exceptions import (
    InterruptTaskSet,
    RescheduleTask,
    RescheduleTaskImmediately,
    StopTest,
    StopUser,
)
from scaleworthy.load.scenarios.locust.greenlets import current

if TYPE_CHECKING:
    from scaleworthy.load.scenarios.locust.response import Response

F = TypeVar("F", bound=Callable[..., Any])
logger = logging.getLogger("locust")
_FLOW = (StopUser, StopTest, RescheduleTask, RescheduleTaskImmediately, InterruptTaskSet)
CALLED = (
    "init",
    "init_command_line_parser",
    "quit",
    "quitting",
    "request",
    "test_start",
    "test_stop",
    "test_stopping",
    "user_error",
)
NEVER_CALLED = (
    "cpu_warning",
    "heartbeat_received",
    "heartbeat_sent",
    "report_to_master",
    "reset_stats",
    "spawning_complete",
    "usage_monitor",
    "worker_connect",
    "worker_report",
)


class EventHook:
    """One event and who listens to it."""

    def __init__(self) -> None:
        self.listeners: list[Callable[..., Any]] = []

    def add_listener(self, handler: F) -> F:
        """Let *handler* be called with the event's arguments; a decorator too."""
        self.listeners.append(handler)
        return handler

    def remove_listener(self, handler: Callable[..., Any]) -> None:
        """Call *handler* no more."""
        self.listeners.remove(handler)

    def fire(self, *, reverse: bool = False, **told: Any) -> None:
        """Call all listeners; what one of them raises is logged, unless it says how the user goes on."""
        for listener in self.listeners[::-1] if reverse else list(self.listeners):
            try:
                listener(**told)
            except _FLOW:
                raise
            except Exception:
                logger.exception("a listener raised")


class RequestHook(EventHook):
    """The event of a request that is done. A file's own client fires it: that is recorded as a time of its own."""

    def fire(self, *, reverse: bool = False, **told: Any) -> None:
        """Record what a client of the file's own measured (`load.timed`), and tell the listeners."""
        self._record(told)
        super().fire(reverse=reverse, **told)

    def tell_of(self, response: Response, name: str, begun_s: float, context: Mapping[str, Any]) -> None:
        """Tell the listeners of a request that the engine has counted already."""
        super().fire(
            request_type=response.request.method,
            name=name,
            response_time=response.elapsed.total_seconds() * 1e3,
            response_length=len(response.content),
            response=response,
            context=context,
            exception=response.failed,
            start_time=begun_s,
            url=response.url,
        )

    @contextlib.contextmanager
    def measure(
        self, request_type: str, name: str, response_length: int = 0, context: Mapping[str, Any] | None = None
    ) -> Iterator[dict[str, Any]]:
        """Time what happens inside and fire the event; an exception makes it a failure and goes no further."""
        told: dict[str, Any] = {
            "request_type": request_type,
            "name": name,
            "response_length": response_length,
            "context": context or {},
            "exception": None,
            "start_time": time.time(),
        }
        begun_s = time.perf_counter()
        try:
            yield told
        except Exception as error:  # noqa: BLE001 - it is what is measured
            told["exception"] = error
        finally:
            told["response_time"] = (time.perf_counter() - begun_s) * 1e3
            self.fire(**told)

    def _record(self, told: Mapping[str, Any]) -> None:
        stack = current()
        if stack is None:
            return
        name = f"{told.get('request_type', '')} {told.get('name', '')}".strip()
        stack.asks.record("load.timed", float(told.get("response_time") or 0.0), "ms", name=name)
        if (error := told.get("exception")) is not None:
            line = stack.asks.line
            line.fail(line.step(name), "script", str(error))


class Events:
    """All events of a run, by name."""

    request: RequestHook
    init: EventHook
    init_command_line_parser: EventHook
    quit: EventHook
    quitting: EventHook
    test_start: EventHook
    test_stop: EventHook
    test_stopping: EventHook
    user_error: EventHook

    def __init__(self) -> None:
        for name in (*CALLED, *NEVER_CALLED):
            setattr(self, name, RequestHook() if name == "request" else EventHook())

    def never_called(self) -> list[str]:
        """Return the events that someone listens to and that never come here."""
        return [name for name in NEVER_CALLED if getattr(self, name).listeners]
