"""What one user does: requests with what is expected of their answers and read from them, and time to think."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Annotated, Any
from urllib.parse import quote_plus

from pydantic import BeforeValidator, Discriminator, Field, Tag, model_validator

from scaleworthy.load.answers import Expect, Extract
from scaleworthy.load.base import PlanPart, shown
from scaleworthy.load.http import Headers
from scaleworthy.load.messages import MessageStep, PingStep
from scaleworthy.load.origins import native_place
from scaleworthy.load.template import literal_parts, names_in
from scaleworthy.load.texts import Label, Path, Variable, check_label, path_label
from scaleworthy.load.think import ThinkStep
from scaleworthy.load.websocket import WebSocketStep

METHODS = ("get", "head", "post", "put", "patch", "delete", "options")


def _read_body(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(f"must be text, got {shown(value)}; write 'json:' for a JSON body")
    names_in(value)
    return value


def _read_json(value: Any) -> Any:
    try:
        names_in(json.dumps(value, ensure_ascii=False))
    except TypeError as error:
        raise ValueError(f"must be JSON: {error}") from error
    return value


class RequestStep(PlanPart):
    """One request: `{get: /path}` and so on; `name` is its label in every result (default: method and path).

    At most one body: `json` (the content type is set), `form`, or `body` as text.
    """

    get: Path | None = None
    head: Path | None = None
    post: Path | None = None
    put: Path | None = None
    patch: Path | None = None
    delete: Path | None = None
    options: Path | None = None
    name: Label | None = None
    headers: Headers = Field(default_factory=dict)
    json_body: Annotated[Any, BeforeValidator(_read_json)] = Field(None, alias="json")
    form: dict[str, str] | None = None
    body: Annotated[str, BeforeValidator(_read_body)] | None = None
    expect: Expect = Field(default_factory=lambda: Expect.model_validate({}))
    extract: dict[Variable, Extract] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _one_method_one_body(self) -> RequestStep:
        given = [method for method in METHODS if getattr(self, method) is not None]
        if len(given) != 1:
            got = " and ".join(given) or "none"
            raise ValueError(f"needs exactly one of {', '.join(METHODS)} (or think), got {got}")
        bodies = [
            name
            for name, field in (("json", "json_body"), ("form", "form"), ("body", "body"))
            if field in self.model_fields_set
        ]
        if len(bodies) > 1:
            raise ValueError(f"has one body, got {' and '.join(bodies)}")
        check_label(self.name)
        return self

    @property
    def requests(self) -> int:
        """How many requests it counts as."""
        return 1

    @property
    def method(self) -> str:
        """The method, in lower case."""
        return next(method for method in METHODS if getattr(self, method) is not None)

    @property
    def path(self) -> str:
        """The path with its query, as the plan has it."""
        return str(getattr(self, self.method))

    @property
    def label(self) -> str:
        """The step's name in every result."""
        return self.name or path_label(self.method.upper(), self.path)

    @property
    def body_text(self) -> str | None:
        """The body as it is sent, templates unfilled; None without one."""
        if "json_body" in self.model_fields_set:
            return json.dumps(self.json_body, ensure_ascii=False, separators=(",", ":"))
        if self.form is not None:
            return "&".join(f"{quote_plus(name)}={_quote_literals(value)}" for name, value in self.form.items())
        return self.body

    @property
    def content_type(self) -> str | None:
        """The content type that the kind of body implies."""
        if "json_body" in self.model_fields_set:
            return "application/json"
        return "application/x-www-form-urlencoded" if self.form is not None else None

    def templates(self) -> list[tuple[str, str]]:
        """Return each text that may hold a template, with the field it stands in."""
        texts = [(self.method, self.path), *(("headers", value) for value in self.headers.values())]
        body = self.body_text
        if body is not None:
            field = "json" if "json_body" in self.model_fields_set else "form" if self.form is not None else "body"
            texts.append((field, body))
        return texts

    def to_native(self, base: str) -> dict[str, Any]:
        """Return the engine's form; *base* is the target's own path."""
        headers = [[name.lower(), value] for name, value in self.headers.items()]
        if self.content_type is not None and "content-type" not in {name for name, _ in headers}:
            headers.append(["content-type", self.content_type])
        request = {
            "name": self.label,
            "method": self.method.upper(),
            **native_place(self.path, base),
            "headers": headers,
            "body": self.body_text,
            "expect": self.expect.to_native(),
            "extract": [source.to_native(variable) for variable, source in self.extract.items()],
        }
        return {"request": request}


def _quote_literals(text: str) -> str:
    return "".join(piece if template else quote_plus(piece) for piece, template in literal_parts(text))


STEP_KINDS: dict[str, type[PlanPart]] = {
    "request": RequestStep,
    "think": ThinkStep,
    "websocket": WebSocketStep,
    "message": MessageStep,
    "ping": PingStep,
}


def _kind_of(step: Any) -> str:
    for kind, made in (("think", ThinkStep), ("websocket", WebSocketStep)):
        if isinstance(step, made) or (isinstance(step, dict) and kind in step):
            return kind
    return "request"


Step = Annotated[
    Annotated[RequestStep, Tag("request")]
    | Annotated[ThinkStep, Tag("think")]
    | Annotated[WebSocketStep, Tag("websocket")],
    Discriminator(_kind_of),
]
Speaking = RequestStep | WebSocketStep | MessageStep


def speaking(steps: Sequence[Any], path: str) -> Iterator[tuple[str, Speaking]]:
    """Yield each step that sends or reads something with its place in the plan, in the order in which they are taken."""
    for at, step in enumerate(steps):
        where = f"{path}.steps[{at}]"
        if isinstance(step, RequestStep | WebSocketStep | MessageStep):
            yield where, step
        if isinstance(step, WebSocketStep):
            yield from speaking(step.steps, where)


class Scenario(PlanPart):
    """Steps in order; users and arrivals choose among a plan's scenarios by weight."""

    name: Annotated[str, Field(min_length=1, max_length=200)]
    weight: Annotated[float, Field(gt=0, le=1e9)] = 1.0
    steps: Annotated[list[Step], Field(min_length=1, max_length=10_000)]

    @model_validator(mode="after")
    def _sends_something(self) -> Scenario:
        if not any(isinstance(step, RequestStep | WebSocketStep) for step in self.steps):
            raise ValueError(f"scenario {self.name!r} sends no request")
        return self

    @property
    def requests(self) -> int:
        """How many requests one iteration makes."""
        return sum(step.requests for step in self.steps if not isinstance(step, ThinkStep))

    def to_native(self, base: str) -> dict[str, Any]:
        """Return the engine's form."""
        return {"name": self.name, "weight": float(self.weight), "steps": [step.to_native(base) for step in self.steps]}
