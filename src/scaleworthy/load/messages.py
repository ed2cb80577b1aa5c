"""What is said and heard on a WebSocket: one message step, or a ping."""

from __future__ import annotations

import base64
import binascii
import json
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from scaleworthy.load.answers import Body, Extract
from scaleworthy.load.base import Duration, PlanPart, shown
from scaleworthy.load.bodies import read_json
from scaleworthy.load.template import names_in
from scaleworthy.load.texts import Label, Variable, check_label


class Receive(Body):
    """Which message to wait for: the first that is all of this; others are passed over. Without anything, the next one."""

    timeout_ns: Duration | None = Field(None, alias="timeout")

    def to_native(self) -> dict[str, Any]:
        """Return the engine's form."""
        return {"fits": self.expectations(), "timeout_ns": self.timeout_ns}


def _read_receive(value: Any) -> Any:
    """`receive:` and `receive: true` wait for the next message."""
    return {} if value is None or value is True else value


def _read_text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(f"must be text, got {shown(value)}; write '{{json: …}}' for JSON")
    names_in(value)
    return value


def _read_base64(value: Any) -> str:
    try:
        return base64.b64encode(base64.b64decode(value, validate=True)).decode()
    except (TypeError, ValueError, binascii.Error) as error:
        raise ValueError(f"must be base64, got {shown(value)}: {error}") from error


def _read_hex(value: Any) -> str:
    try:
        return bytes.fromhex(value).hex()
    except (TypeError, ValueError) as error:
        raise ValueError(f"must be hexadecimal, got {shown(value)}: {error}") from error


class Send(PlanPart):
    """What to say: text, JSON, or bytes as base64 (`binary`) or `hex`."""

    text: Annotated[str, BeforeValidator(_read_text)] | None = None
    json_value: Annotated[Any, BeforeValidator(read_json)] = Field(None, alias="json")
    binary: Annotated[str, BeforeValidator(_read_base64)] | None = None
    hex: Annotated[str, BeforeValidator(_read_hex)] | None = None

    @model_validator(mode="after")
    def _one_kind(self) -> Send:
        given = sorted(self.model_fields_set)
        if len(given) != 1:
            raise ValueError(f"needs exactly one of text, json, binary, hex, got {' and '.join(given) or 'none'}")
        return self

    @property
    def template(self) -> str:
        """The text that may hold templates; nothing for bytes."""
        return self._json_text if "json_value" in self.model_fields_set else self.text or ""

    @property
    def _json_text(self) -> str:
        return json.dumps(self.json_value, ensure_ascii=False, separators=(",", ":"))

    def to_native(self) -> dict[str, str]:
        """Return the engine's form."""
        if "json_value" in self.model_fields_set:
            return {"json": self._json_text}
        if self.text is not None:
            return {"text": self.text}
        return {"binary": self.binary or base64.b64encode(bytes.fromhex(self.hex or "")).decode()}


def _read_send(value: Any) -> Any:
    return {"text": value} if isinstance(value, str) else value


class MessageStep(PlanPart):
    """Something to say, something to wait for, or both; `expect` and `extract` look at the message that came."""

    send: Annotated[Send, BeforeValidator(_read_send)] | None = None
    receive: Annotated[Receive | None, BeforeValidator(_read_receive)] = None
    name: Label | None = None
    expect: Body = Field(default_factory=lambda: Body.model_validate({}))
    extract: dict[Variable, Extract] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _makes_sense(self) -> MessageStep:
        check_label(self.name)
        if self.send is None and self.receive is None:
            raise ValueError("needs send, receive or both (or ping, or think)")
        if self.receive is None and (self.extract or self.expect.expectations()):
            raise ValueError("expect and extract look at a received message: add 'receive'")
        if any(source.header is not None for source in self.extract.values()):
            raise ValueError("a message has no headers: extract by json or regex")
        return self

    @property
    def requests(self) -> int:
        """How many requests it counts as."""
        return int(self.receive is not None)

    def templates(self) -> list[tuple[str, str]]:
        """Return each text that may hold a template, with the field it stands in."""
        return [("send", self.send.template)] if self.send is not None else []

    def joined(self, following: MessageStep) -> MessageStep | None:
        """Return the exchange that this send and the receive behind it make; None where they are something else."""
        if self.receive is not None or following.send is not None:
            return None
        return following.model_copy(update={"send": self.send, "name": following.name or self.name})

    def to_native(self, label: str) -> dict[str, Any]:
        """Return the engine's form; *label* is the name where it has none."""
        message = {
            "name": self.name or label,
            "send": self.send.to_native() if self.send is not None else None,
            "receive": self.receive.to_native() if self.receive is not None else None,
            "expect": self.expect.expectations(),
            "extract": [source.to_native(variable) for variable, source in self.extract.items()],
        }
        return {"message": message}


class PingStep(PlanPart):
    """A ping, and the wait for its pong: the way to the server and back, without the service's own work."""

    ping: Literal[True]
    name: Label | None = None
    timeout_ns: Duration | None = Field(None, alias="timeout")

    @property
    def requests(self) -> int:
        """How many requests it counts as."""
        return 1

    def to_native(self, label: str) -> dict[str, Any]:
        """Return the engine's form; *label* is the name where it has none."""
        return {"ping": {"name": self.name or label, "timeout_ns": self.timeout_ns}}
