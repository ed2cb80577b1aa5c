"""An answer that comes in events, as a step describes it: which events, how many, how long, what they must be.

`stream: sse` for server-sent events, `ndjson` for a JSON object a line, `llm` for a language model's answer in either form.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from scaleworthy.load.answers import Body, JsonPath, Pattern, Scalar, Texts
from scaleworthy.load.base import Duration, PlanPart, shown

UNIT_NS = {"ns": 1.0, "us": 1e3, "ms": 1e6, "s": 1e9}


def _read_wishes(value: Any) -> Any:
    return value if isinstance(value, list) else [value]


class Wish(PlanPart):
    """What some event must be: all of it; a JSON value of null asks only that there is one."""

    contains: Texts | None = None
    matches: Pattern | None = None
    json_values: dict[JsonPath, Scalar] = Field(default_factory=dict, alias="json")

    @model_validator(mode="after")
    def _wishes_something(self) -> Wish:
        if not (self.contains or self.matches or self.json_values):
            raise ValueError("needs contains, matches or json")
        return self

    def to_native(self) -> dict[str, Any]:
        """Return the engine's form."""
        return {
            "contains": self.contains or [],
            "matches": self.matches,
            "json": [[path, value] for path, value in self.json_values.items()],
        }


class Age(PlanPart):
    """Where an event says when it was sent: Unix time, in *unit*."""

    json_path: JsonPath = Field(alias="json")
    unit: Literal["ns", "us", "ms", "s"]

    def to_native(self) -> dict[str, Any]:
        """Return the engine's form."""
        return {"path": self.json_path, "unit_ns": UNIT_NS[self.unit]}


class Goodput(PlanPart):
    """What a good answer of a language model keeps to; all that is given must hold.

    Attributes:
        ttft_ns: From the send to the first content.
        tpot_ns: Per output token after the first.
        e2e_ns: From the send to the last content.
    """

    ttft_ns: Duration | None = Field(None, alias="ttft")
    tpot_ns: Duration | None = Field(None, alias="tpot")
    e2e_ns: Duration | None = Field(None, alias="e2e")

    @model_validator(mode="after")
    def _limits_something(self) -> Goodput:
        if self.ttft_ns is self.tpot_ns is self.e2e_ns is None:
            raise ValueError("needs at least one of ttft, tpot, e2e")
        return self

    def to_native(self) -> dict[str, Any]:
        """Return the engine's form."""
        return {"ttft_ns": self.ttft_ns, "tpot_ns": self.tpot_ns, "e2e_ns": self.e2e_ns}


class EventStream(PlanPart):
    """What is wanted of an answer in events, whatever kind they are of.

    Attributes:
        events_min: Fewer fail the request.
        events_max: After so many the request is done, and its connection or stream closed.
        for_ns: The same after so long.
        any_of: For each of these, some event must be it.
        last: What the last event must be.
        age: Where events say when they were sent.
    """

    events_min: Annotated[int, Field(ge=0)] = 0
    events_max: Annotated[int, Field(ge=1)] | None = None
    for_ns: Duration | None = Field(None, alias="for")
    any_of: Annotated[list[Wish], BeforeValidator(_read_wishes)] = Field(default_factory=list, alias="any")
    last: Body = Field(default_factory=lambda: Body.model_validate({}))
    age: Age | None = None

    @model_validator(mode="after")
    def _has_room(self) -> Self:
        if self.events_max is not None and self.events_min > self.events_max:
            raise ValueError(f"events_min must not be above events_max, got {self.events_min} and {self.events_max}")
        return self

    def native_of(self, kind: str) -> dict[str, Any]:
        """Return the engine's form of a stream of this kind."""
        return {
            "kind": kind,
            "events_min": self.events_min,
            "events_max": self.events_max,
            "for_ns": self.for_ns,
            "any": [wish.to_native() for wish in self.any_of],
            "last": self.last.expectations(),
            "age": self.age.to_native() if self.age is not None else None,
        }


class Stream(EventStream):
    """How an answer in events is read.

    Attributes:
        goodput: What counts as a good answer; language models only.
    """

    kind: Literal["sse", "ndjson", "llm"]
    goodput: Goodput | None = None

    @model_validator(mode="after")
    def _goes_together(self) -> Stream:
        if self.goodput is not None and self.kind != "llm":
            raise ValueError(f"goodput is for kind: llm, got {self.kind!r}")
        return self

    def to_native(self) -> dict[str, Any]:
        """Return the engine's form."""
        goodput = self.goodput.to_native() if self.goodput is not None else None
        return self.native_of(self.kind) | {"goodput": goodput}


def read_stream(value: Any) -> Any:
    """Return the long form of `stream: sse`.

    Raises:
        ValueError: Neither a kind nor a mapping.
    """
    if isinstance(value, str):
        return {"kind": value}
    if not isinstance(value, dict | Stream):
        raise ValueError(f"must be sse, ndjson, llm, or a mapping with kind, got {shown(value)}")
    return value
