"""A manner: something an application does with every request and answer. It says what of these it does."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from scaleworthy.runtime.http.message import Answer, App, Request

if TYPE_CHECKING:
    from scaleworthy.runtime.http.stack import Stack

Produce = Callable[[], Awaitable[Answer | None]]


class Manner:
    """The base of all. What a manner does not override, the stack does not call."""

    def before(self, request: Request) -> Answer | Awaitable[Answer | None] | None:
        """Answer in the application's place; None: the application is asked. One that must wait is a coroutine."""

    async def around(self, request: Request, produce: Produce) -> Answer | None:
        """Ask the application by awaiting *produce*. None: it has answered. An answer: it has not, and this is to be sent."""

    def came(self, request: Request, answer: Answer) -> None:
        """Take note of the application's whole answer as it came, before anybody changes it. The application may still be at work."""

    def after(self, request: Request, answer: Answer) -> Answer:  # noqa: ARG002 - for those that override it
        """Return the answer that is sent in place of *answer*, which may be the same object, changed."""
        return answer

    def gathers(self, request: Request, head: Answer) -> int:  # noqa: ARG002 - for those that override it
        """Of an answer that comes in pieces: up to how many bytes it must be put together and seen whole; 0: it may be streamed."""
        return 0

    def head(self, request: Request, answer: Answer) -> None:
        """Change the head of an answer that is streamed, or of one to HEAD: its body is empty here, and not known."""

    def done(self, request: Request, status: int | None) -> None:
        """Take note that the request is over; *status* None: the application raised before it answered."""

    def trouble(self) -> str | None:
        """Return why it does not serve fully, for a health check; None: it does."""
        return None

    def counted(self) -> dict[str, int]:
        """Return what it has counted, by name, for `Stack.statistics`."""
        return {}

    def wrap(self, app: App) -> Stack:
        """Return *app* with this manner alone."""
        from scaleworthy.runtime.http.stack import Stack

        return Stack(app, [self])
