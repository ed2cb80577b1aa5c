"""What one user does: requests with what is expected of their answers and read from them, and time to think."""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal
from urllib.parse import quote_plus

from pydantic import BeforeValidator, Discriminator, Field, PlainSerializer, Tag, model_validator

from scaleworthy.errors import UsageError
from scaleworthy.load.answers import Expect, Extract
from scaleworthy.load.base import PlanPart, duration_text, from_text, shown
from scaleworthy.load.http import Headers, encode_path
from scaleworthy.load.template import NAME, literal_parts, names_in
from scaleworthy.units import parse_duration_ns

METHODS = ("get", "head", "post", "put", "patch", "delete", "options")


def _read_path(value: Any) -> str:
    if not isinstance(value, str) or not value.startswith(("/", "{{")):
        raise ValueError(f"must be a path of the target that starts with '/', got {shown(value)}")
    if any(ord(char) < 32 or ord(char) == 127 for char in value):
        raise ValueError(f"must not hold a line break or control character, got {shown(value)}")
    names_in(value)
    return value


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


def _read_variable(value: Any) -> str:
    if not isinstance(value, str) or not NAME.fullmatch(value):
        raise ValueError(f"a variable is letters, digits, '_', '-' and '.', got {shown(value)}")
    return value


Path = Annotated[str, BeforeValidator(_read_path)]


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
    name: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    headers: Headers = Field(default_factory=dict)
    json_body: Annotated[Any, BeforeValidator(_read_json)] = Field(None, alias="json")
    form: dict[str, str] | None = None
    body: Annotated[str, BeforeValidator(_read_body)] | None = None
    expect: Expect = Field(default_factory=lambda: Expect.model_validate({}))
    extract: dict[Annotated[str, BeforeValidator(_read_variable)], Extract] = Field(default_factory=dict)

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
        if self.name is not None and "{{" in self.name:
            raise ValueError(f"a name is a label of the results and holds no template, got {self.name!r}")
        return self

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
        if self.name is not None:
            return self.name
        path = "".join(
            "{" + piece.strip("{} ") + "}" if template else piece
            for piece, template in literal_parts(self.path.split("?")[0])
        )
        return f"{self.method.upper()} {path}"[:200]

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
            "path": base + encode_path(self.path),
            "headers": headers,
            "body": self.body_text,
            "expect": self.expect.to_native(),
            "extract": [source.to_native(variable) for variable, source in self.extract.items()],
        }
        return {"request": request}


def _quote_literals(text: str) -> str:
    return "".join(piece if template else quote_plus(piece) for piece, template in literal_parts(text))


def _parse_think(text: str) -> tuple[int, int]:
    low, dots, high = text.partition("..")
    least_ns = parse_duration_ns(low)
    most_ns = parse_duration_ns(high) if dots else least_ns
    if least_ns > most_ns or most_ns > 86_400 * 10**9:
        raise UsageError(f"a think time is 2s, or a range such as 1s..3s up to 1d, got {text!r}")
    return least_ns, most_ns


class ThinkStep(PlanPart):
    """A pause: `2s`, or drawn evenly from `1s..3s`."""

    think: Annotated[
        tuple[int, int],
        BeforeValidator(from_text(_parse_think, "a time such as 2s or 1s..3s")),
        PlainSerializer(lambda pair: "..".join(duration_text(ns) for ns in dict.fromkeys(pair))),
    ]

    def to_native(self, base: str) -> dict[str, Any]:  # noqa: ARG002 - the same call makes either kind of step
        """Return the engine's form."""
        return {"think": {"min_ns": self.think[0], "max_ns": self.think[1]}}


STEP_KINDS: dict[str, type[PlanPart]] = {"request": RequestStep, "think": ThinkStep}


def _kind_of(step: Any) -> Literal["request", "think"]:
    return "think" if isinstance(step, ThinkStep) or (isinstance(step, dict) and "think" in step) else "request"


Step = Annotated[
    Annotated[RequestStep, Tag("request")] | Annotated[ThinkStep, Tag("think")],
    Discriminator(_kind_of),
]


class Scenario(PlanPart):
    """Steps in order; users and arrivals choose among a plan's scenarios by weight."""

    name: Annotated[str, Field(min_length=1, max_length=200)]
    weight: Annotated[float, Field(gt=0, le=1e9)] = 1.0
    steps: Annotated[list[Step], Field(min_length=1, max_length=10_000)]

    @model_validator(mode="after")
    def _sends_something(self) -> Scenario:
        if not any(isinstance(step, RequestStep) for step in self.steps):
            raise ValueError(f"scenario {self.name!r} sends no request")
        return self

    def to_native(self, base: str) -> dict[str, Any]:
        """Return the engine's form."""
        return {"name": self.name, "weight": float(self.weight), "steps": [step.to_native(base) for step in self.steps]}
