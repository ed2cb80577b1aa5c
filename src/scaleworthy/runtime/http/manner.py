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

    async def before(self, request: Request) -> Answer | None:
        """Answer in the application's place; None: the application is asked."""

    async def around(self, request: Request, produce: Produce) -> Answer | None:
        """Ask the application by awaiting *produce*; None: the answer was streamed, and nothing is left to change."""

    def after(self, request: Request, answer: Answer) -> Answer:  # noqa: ARG002 - for those that override it
        """Return the answer that is sent in place of *answer*, which may be the same object, changed."""
        return answer

    def head(self, request: Request, answer: Answer) -> None:
        """Change the head of an answer that is streamed: its body is empty here, and not yet known."""

    def done(self, request: Request, status: int | None) -> None:
        """Take note that the request is over; *status* None: the application raised before it answered."""

    def wrap(self, app: App) -> Stack:
        """Return *app* with this manner alone."""
        from scaleworthy.runtime.http.stack import Stack

        return Stack(app, [self])
