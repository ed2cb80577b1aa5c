"""What is read from an answer for later steps, and what its texts, statuses and JSON may be held to."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, model_validator

from scaleworthy.load.base import Duration, PlanPart, shown
from scaleworthy.load.json_tests import Checked, tests_of
from scaleworthy.load.template import names_in

_CLASS = re.compile(r"([1-5])xx")
_RANGE = re.compile(r"(\d{3})\s*-\s*(\d{3})")


def _read_statuses(value: Any) -> list[int]:
    items = value if isinstance(value, list) else [value]
    statuses: list[int] = []
    for item in items:
        found = re.fullmatch(_RANGE, item) if isinstance(item, str) else None
        if isinstance(item, str) and _CLASS.fullmatch(item):
            statuses += range(int(item[0]) * 100, int(item[0]) * 100 + 100)
        elif found is not None and 100 <= int(found[1]) <= int(found[2]) <= 599:
            statuses += range(int(found[1]), int(found[2]) + 1)
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
    for item in items:
        names_in(item)
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
Statuses = Annotated[list[int], BeforeValidator(_read_statuses)]
Pattern = Annotated[str, BeforeValidator(_read_pattern)]
JsonPath = Annotated[str, BeforeValidator(_read_json_path)]
Scalar = str | int | float | bool | None


class HeaderTest(PlanPart):
    """What a header's value must be: all that is given."""

    contains: str | None = None
    equals: str | None = None
    matches: Pattern | None = None


def _read_header_test(value: Any) -> Any:
    return {"contains": value} if value is None or isinstance(value, str) else value


HeaderTests = dict[str, Annotated[HeaderTest, BeforeValidator(_read_header_test)]]


class Body(PlanPart):
    """What an answer, or a message, must be.

    Attributes:
        contains: Texts that it holds.
        matches: A regular expression that is found in it.
        json_values: JSONPath → the value that is there, or tests of it; null asks only that there is one.
    """

    contains: Texts | None = None
    matches: Pattern | None = None
    json_values: dict[JsonPath, Checked] = Field(default_factory=dict, alias="json")

    def expectations(self) -> list[dict[str, Any]]:
        """Return the engine's list of expectations."""
        wanted: list[dict[str, Any]] = [{"body_contains": text} for text in self.contains or ()]
        if self.matches is not None:
            wanted.append({"body_matches": self.matches})
        return wanted + [{"json": {"path": path, "tests": tests_of(value)}} for path, value in self.json_values.items()]

    def templates(self) -> list[str]:
        """Return each text that may hold a template."""
        inside = [text for value in self.json_values.values() for text in _texts_in(value)]
        return [*(self.contains or ()), *inside]


class Answer(Body):
    """What an answer must be, of all that is said of it.

    Attributes:
        status: One, several, a class such as 2xx, or a range such as 200-299.
        header: Name → text that the header's value holds, or tests of it; null asks only that the header is there.
        content_type: Text that the content type holds, such as json.
    """

    status: Statuses | None = None
    header: HeaderTests = Field(default_factory=dict)
    content_type: str | None = None

    def expectations(self) -> list[dict[str, Any]]:
        """Return the engine's list of expectations."""
        wanted: list[dict[str, Any]] = [] if self.status is None else [{"status": self.status}]
        wanted += super().expectations()
        if self.content_type is not None:
            wanted.append({"header": {"name": "content-type", "contains": self.content_type}})
        return wanted + [{"header": {"name": name, **test.model_dump()}} for name, test in self.header.items()]

    def templates(self) -> list[str]:
        """Return each text that may hold a template."""
        tests = [text for test in self.header.values() for text in (test.contains, test.equals) if text is not None]
        return [*super().templates(), *tests]


class Expect(Answer):
    """What an answer must be; without any, a status below 400.

    Attributes:
        within_ns: The longest response time.
        unwanted: What it must not be: each thing alone breaks the expectation.
    """

    within_ns: Duration | None = Field(None, alias="within")
    unwanted: Answer | None = Field(None, alias="not")

    def expectations(self) -> list[dict[str, Any]]:
        """Return the engine's list of expectations."""
        wanted = super().expectations()
        if self.within_ns is not None:
            wanted.append({"within_ns": self.within_ns})
        return wanted + [{"not": inner} for inner in (self.unwanted.expectations() if self.unwanted else ())]

    def templates(self) -> list[str]:
        """Return each text that may hold a template."""
        return super().templates() + (self.unwanted.templates() if self.unwanted else [])


class Extract(PlanPart):
    """Where a variable's value is read from in an answer: exactly one of the three.

    Attributes:
        group: Of the regular expression: which group is the value; by default the first, or the whole match without one.
        every: Every value that is found, as a list.
        strict: Whether the request fails, and the iteration ends, where nothing is found.
    """

    json_path: JsonPath | None = Field(None, alias="json")
    regex: Pattern | None = None
    header: str | None = None
    group: Annotated[int, Field(ge=0, le=99)] | None = None
    every: bool = Field(False, alias="all")
    strict: bool = True

    @model_validator(mode="after")
    def _one_source(self) -> Extract:
        if sum(value is not None for value in (self.json_path, self.regex, self.header)) != 1:
            raise ValueError("needs exactly one of 'json', 'regex' and 'header'")
        if self.group is not None and self.regex is None:
            raise ValueError("'group' goes with 'regex' alone")
        if self.every and self.header is not None:
            raise ValueError("'all' goes with 'json' or 'regex'")
        return self

    def to_native(self, variable: str) -> dict[str, Any]:
        """Return the engine's form."""
        source = {"json": self.json_path, "regex": self.regex, "header": self.header, "group": self.group}
        made: dict[str, Any] = {"variable": variable}
        made |= {kind: value for kind, value in source.items() if value is not None}
        return made | ({"all": True} if self.every else {}) | ({} if self.strict else {"strict": False})


def _texts_in(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value] if "{{" in value else []
    items = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [text for item in items for text in _texts_in(item)]
