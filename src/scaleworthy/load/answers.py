"""What an answer must be, and what is read from it for later steps."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, model_validator

from scaleworthy.load.base import PlanPart, shown


def _read_statuses(value: Any) -> list[int]:
    items = value if isinstance(value, list) else [value]
    statuses: list[int] = []
    for item in items:
        if isinstance(item, str) and re.fullmatch(r"[1-5]xx", item):
            statuses += range(int(item[0]) * 100, int(item[0]) * 100 + 100)
        elif isinstance(item, int) and not isinstance(item, bool) and 100 <= item <= 599:
            statuses.append(int(item))
        else:
            raise ValueError(f"must be a number from 100 to 599, or a class such as 2xx, got {shown(item)}")
    if not statuses:
        raise ValueError("must name at least one status")
    return statuses


def _read_texts(value: Any) -> list[str]:
    items = value if isinstance(value, list) else [value]
    if not items or not all(isinstance(item, str) and item for item in items):
        raise ValueError(f"must be text, or a list of texts, got {shown(value)}")
    return [str(item) for item in items]


def _read_pattern(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError(f"must be a regular expression, got {shown(value)}")
    try:
        re.compile(value)
    except re.error as error:
        raise ValueError(f"is not a regular expression: {error}, got {shown(value)}") from error
    return value


def _read_json_path(value: Any) -> str:
    if not isinstance(value, str) or not value.startswith("$"):
        raise ValueError(f"must be a JSONPath such as $.items[0].id, got {shown(value)}")
    return value


Texts = Annotated[list[str], BeforeValidator(_read_texts)]
Pattern = Annotated[str, BeforeValidator(_read_pattern)]
JsonPath = Annotated[str, BeforeValidator(_read_json_path)]
Scalar = str | int | float | bool | None


class Expect(PlanPart):
    """What an answer must be; without any, a status below 400.

    Attributes:
        status: One, several, or a class such as 2xx.
        contains: Texts that the body holds.
        matches: A regular expression that is found in the body.
        json_values: JSONPath → the value that is there; null asks only that there is one.
        header: Name → text that the header's value holds; null asks only that the header is there.
    """

    status: Annotated[list[int], BeforeValidator(_read_statuses)] | None = None
    contains: Texts | None = None
    matches: Pattern | None = None
    json_values: dict[JsonPath, Scalar] = Field(default_factory=dict, alias="json")
    header: dict[str, str | None] = Field(default_factory=dict)

    def to_native(self) -> list[dict[str, Any]]:
        """Return the engine's list of expectations."""
        wanted: list[dict[str, Any]] = []
        if self.status is not None:
            wanted.append({"status": self.status})
        wanted += [{"body_contains": text} for text in self.contains or ()]
        if self.matches is not None:
            wanted.append({"body_matches": self.matches})
        wanted += [{"json": {"path": path, "equals": value}} for path, value in self.json_values.items()]
        wanted += [{"header": {"name": name, "contains": text}} for name, text in self.header.items()]
        return wanted


class Extract(PlanPart):
    """Where a variable's value is read from in an answer: exactly one of the three."""

    json_path: JsonPath | None = Field(None, alias="json")
    regex: Pattern | None = None
    header: str | None = None

    @model_validator(mode="after")
    def _one_source(self) -> Extract:
        if sum(value is not None for value in (self.json_path, self.regex, self.header)) != 1:
            raise ValueError("needs exactly one of 'json', 'regex' and 'header'")
        return self

    def to_native(self, variable: str) -> dict[str, str]:
        """Return the engine's form."""
        source = {"json": self.json_path, "regex": self.regex, "header": self.header}
        return {"variable": variable} | {kind: text for kind, text in source.items() if text is not None}
