"""A WebSocket of a user: opened, talked on step by step, closed.

A `send` and the `receive` right behind it are one exchange with one name: its times run from the send to the message that
fits. A `receive` alone waits for what the server says by itself, a `send` alone is counted as a message and not timed.
Loops, conditions, `set` and `log` stand among them as they do elsewhere.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator, Field, model_validator

from scaleworthy.load.answers import Expect, Extract
from scaleworthy.load.base import PlanPart, shown
from scaleworthy.load.flow import requests_of
from scaleworthy.load.http import Headers
from scaleworthy.load.origins import native_place
from scaleworthy.load.socket_steps import SocketStep, native_steps
from scaleworthy.load.texts import Label, SocketPath, Variable, check_label, path_label

REASON_BYTES_MAX = 123
"""Longest reason of a close frame (RFC 6455, 5.5)."""


def _read_code(value: Any) -> int:
    allowed = isinstance(value, int) and not isinstance(value, bool)
    if not allowed or not (value in (*range(1000, 1004), *range(1007, 1015)) or 3000 <= value <= 4999):
        raise ValueError(
            f"must be a code that may be sent: 1000 to 1003, 1007 to 1014, 3000 to 4999, got {shown(value)}"
        )
    return int(value)


def _read_reason(value: Any) -> str:
    if not isinstance(value, str) or len(value.encode()) > REASON_BYTES_MAX:
        raise ValueError(f"must be text of at most {REASON_BYTES_MAX} bytes, got {shown(value)}")
    return value


class Close(PlanPart):
    """How the user ends the socket."""

    code: Annotated[int, BeforeValidator(_read_code)] = 1000
    reason: Annotated[str, BeforeValidator(_read_reason)] = ""


def _read_subprotocol(value: Any) -> str:
    if (
        not isinstance(value, str)
        or not value
        or not all(char.isalnum() or char in "!#$%&'*+-.^_`|~" for char in value)
    ):
        raise ValueError(f"must be a token such as graphql-ws, got {shown(value)}")
    return value


class WebSocketStep(PlanPart):
    """A connection that is opened at a path, talked on by `steps`, and closed.

    Attributes:
        subprotocols: Offered to the server, the preferred one first.
        reconnect: Open the connection again when a step finds it closed; otherwise that step fails and the iteration ends.
        expect: What the answer to the opening must be; without it: status 101.
    """

    websocket: SocketPath
    name: Label | None = None
    headers: Headers = Field(default_factory=dict)
    subprotocols: list[Annotated[str, BeforeValidator(_read_subprotocol)]] = Field(default_factory=list)
    reconnect: bool = False
    expect: Expect = Field(default_factory=lambda: Expect.model_validate({}))
    extract: dict[Variable, Extract] = Field(default_factory=dict)
    steps: Annotated[list[SocketStep], Field(max_length=10_000)] = Field(default_factory=list)
    close: Close = Field(default_factory=lambda: Close.model_validate({}))

    @model_validator(mode="after")
    def _plain_name(self) -> WebSocketStep:
        check_label(self.name)
        return self

    @property
    def label(self) -> str:
        """The name of the opening in every result; the steps on the socket are named after it."""
        return self.name or path_label("WS", self.websocket)

    @property
    def requests(self) -> int:
        """How many requests it counts as: the opening, and each exchange and ping."""
        return 1 + requests_of(self.steps)

    def templates(self) -> list[tuple[str, str]]:
        """Return each text of the opening that may hold a template, with the field it stands in."""
        return [("websocket", self.websocket), *(("headers", value) for value in self.headers.values())]

    def to_native(self, base: str) -> dict[str, Any]:
        """Return the engine's form; *base* is the target's own path."""
        request = {
            "name": self.label,
            "method": "GET",
            **native_place(self.websocket, base),
            "headers": [[name.lower(), value] for name, value in self.headers.items()],
            "expect": self.expect.expectations(),
            "extract": [source.to_native(variable) for variable, source in self.extract.items()],
        }
        socket = {
            "request": request,
            "subprotocols": self.subprotocols,
            "reconnect": self.reconnect,
            "steps": native_steps(self.steps, self.label, base),
            "close": {"code": self.close.code, "reason": self.close.reason},
        }
        return {"websocket": socket}
