"""One request of a scenario: where to, with what, what is expected of its answer and read from it."""

from __future__ import annotations

import json
import re
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from scaleworthy.load.answers import Body, Expect, Extract
from scaleworthy.load.base import Duration, PlanPart, shown
from scaleworthy.load.bodies import Parts, Values, encoded, native_parts, read_body, read_json, read_value
from scaleworthy.load.http import Headers
from scaleworthy.load.origins import native_place
from scaleworthy.load.streams import Stream, read_stream
from scaleworthy.load.texts import Label, Path, Variable, check_label, path_label

METHODS = ("get", "head", "post", "put", "patch", "delete", "options")
TAGS_MAX = 10
_TAG = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_OWN_LABELS = {"step", "status", "kind", "phase", "check", "outcome", "direction", "code"}
_COOKIE = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


class Auth(PlanPart):
    """Who sends the request: `{basic: [user, password]}` or `{bearer: token}`."""

    basic: Annotated[list[Annotated[str, BeforeValidator(read_value)]], Field(min_length=2, max_length=2)] | None = None
    bearer: Annotated[str, BeforeValidator(read_value)] | None = None

    @model_validator(mode="after")
    def _one_kind(self) -> Auth:
        if (self.basic is None) == (self.bearer is None):
            raise ValueError("needs either 'basic' or 'bearer'")
        return self


def _read_cookies(value: Any) -> Any:
    for name in value if isinstance(value, dict) else ():
        if not isinstance(name, str) or not _COOKIE.fullmatch(name):
            raise ValueError(f"{name!r} is not a cookie's name")
    return value


def _read_tags(value: Any) -> Any:
    if isinstance(value, dict) and len(value) > TAGS_MAX:
        raise ValueError(f"at most {TAGS_MAX} tags, got {len(value)}")
    for name, text in value.items() if isinstance(value, dict) else ():
        if not isinstance(name, str) or not _TAG.fullmatch(name) or name in _OWN_LABELS:
            raise ValueError(
                f"a tag is letters, digits and '_', and none of {', '.join(sorted(_OWN_LABELS))}, got {name!r}"
            )
        if isinstance(text, str) and "{{" in text:
            raise ValueError(f"a tag is a label of the results and holds no template, got {shown(text)}")
    return value


Tags = Annotated[dict[str, Annotated[str, BeforeValidator(read_value)]], BeforeValidator(_read_tags)]


class RequestStep(PlanPart):
    """One request: `{get: /path}` and so on; `name` is its label in every result (default: method and path).

    At most one body: `json` (the content type is set), `form`, `multipart`, or `body` as text.

    Attributes:
        query: Put behind the path, each value encoded.
        cookies: Sent beside those that the user was given; one of the same name takes its place.
        tags: Further labels of the step's series.
        timeout_ns: In place of the plan's.
        follow_redirects: Whether redirects are followed; the plan says how many.
        compress: Send the body in gzip.
        stream: Read the answer event by event.
    """

    get: Path | None = None
    head: Path | None = None
    post: Path | None = None
    put: Path | None = None
    patch: Path | None = None
    delete: Path | None = None
    options: Path | None = None
    name: Label | None = None
    query: dict[str, Values] = Field(default_factory=dict)
    headers: Headers = Field(default_factory=dict)
    auth: Auth | None = None
    cookies: Annotated[dict[str, Annotated[str, BeforeValidator(read_value)]], BeforeValidator(_read_cookies)] = Field(
        default_factory=dict
    )
    json_body: Annotated[Any, BeforeValidator(read_json)] = Field(None, alias="json")
    form: dict[str, Values] | None = None
    multipart: Annotated[Parts, Field(min_length=1, max_length=1_000)] | None = None
    body: Annotated[str, BeforeValidator(read_body)] | None = None
    compress: Literal["gzip"] | None = None
    timeout_ns: Duration | None = Field(None, alias="timeout")
    follow_redirects: bool = True
    tags: Tags = Field(default_factory=dict)
    expect: Expect = Field(default_factory=lambda: Expect.model_validate({}))
    extract: dict[Variable, Extract] = Field(default_factory=dict)
    stream: Annotated[Stream | None, BeforeValidator(read_stream)] = None

    @model_validator(mode="after")
    def _one_method_one_body(self) -> RequestStep:
        given = [method for method in METHODS if getattr(self, method) is not None]
        if len(given) != 1:
            got = " and ".join(given) or "none"
            raise ValueError(f"needs exactly one of {', '.join(METHODS)} (or think), got {got}")
        fields = (("json", "json_body"), ("form", "form"), ("multipart", "multipart"), ("body", "body"))
        bodies = [name for name, field in fields if field in self.model_fields_set]
        if len(bodies) > 1:
            raise ValueError(f"has one body, got {' and '.join(bodies)}")
        names = {name.lower() for name in self.headers}
        if self.auth is not None and "authorization" in names:
            raise ValueError("has 'auth' and the header 'authorization'; one of them is enough")
        if self.cookies and "cookie" in names:
            raise ValueError("has 'cookies' and the header 'cookie'; one of them is enough")
        if self.compress is not None and not bodies:
            raise ValueError("'compress' needs a body")
        if self.stream is not None and Body.expectations(self.expect):
            raise ValueError("the body of a stream is not kept: put what events must be into stream.any or stream.last")
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

    def _body(self) -> tuple[str | None, dict[str, Any]]:
        """Return the content type that the kind of body implies, and the engine's form of the body."""
        if "json_body" in self.model_fields_set:
            text = json.dumps(self.json_body, ensure_ascii=False, separators=(",", ":"))
            return "application/json", {"body": text, "body_kind": "json"}
        if self.form is not None:
            return "application/x-www-form-urlencoded", {"body": encoded(self.form), "body_kind": "form"}
        if self.multipart is not None:
            boundary, parts = native_parts(self.multipart)
            return f"multipart/form-data; boundary={boundary}", {"body_parts": parts}
        return None, {} if self.body is None else {"body": self.body}

    def templates(self) -> list[tuple[str, str]]:
        """Return each text that may hold a template, with the field it stands in."""
        texts = [(self.method, self.path), *(("headers", value) for value in self.headers.values())]
        texts += [("query", value) for values in self.query.values() for value in values]
        texts += [("cookies", value) for value in self.cookies.values()]
        if self.auth is not None:
            texts += [("auth", value) for value in self.auth.basic or [self.auth.bearer or ""]]
        if "json_body" in self.model_fields_set:
            texts.append(("json", json.dumps(self.json_body, ensure_ascii=False)))
        texts += [("form", value) for values in (self.form or {}).values() for value in values]
        texts += [("multipart", part.value) for part in (self.multipart or {}).values() if part.value is not None]
        if self.body is not None:
            texts.append(("body", self.body))
        if self.stream is not None:
            texts += [("stream", text) for text in self.stream.last.templates()]
        return texts + [("expect", text) for text in self.expect.templates()]

    def to_native(self, base: str) -> dict[str, Any]:
        """Return the engine's form; *base* is the target's own path."""
        headers = [[name.lower(), value] for name, value in self.headers.items()]
        content_type, body = self._body()
        if content_type is not None and "content-type" not in {name for name, _ in headers}:
            headers.append(["content-type", content_type])
        if self.auth is not None and self.auth.bearer is not None:
            headers.append(["authorization", f"Bearer {self.auth.bearer}"])
        path = self.path
        if self.query:
            path += ("&" if "?" in path else "?") + encoded(self.query)
        request = {
            "name": self.label,
            "method": self.method.upper(),
            **native_place(path, base),
            "headers": headers,
            **body,
            "expect": self.expect.expectations(),
            "extract": [source.to_native(variable) for variable, source in self.extract.items()],
        }
        optional = {
            "cookies": list(self.cookies.items()),
            "basic": self.auth.basic if self.auth is not None else None,
            "compress": self.compress,
            "timeout_ns": self.timeout_ns,
            "follow_redirects": None if self.follow_redirects else False,
            "tags": sorted(self.tags.items()),
            "stream": self.stream.to_native() if self.stream is not None else None,
        }
        return {"request": request | {name: value for name, value in optional.items() if value not in (None, [])}}
