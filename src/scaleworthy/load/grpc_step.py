"""A call of gRPC: a method of a `.proto` file, its message in JSON, and what is expected of the answer."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, ValidationInfo, model_validator

from scaleworthy._native import grpc_problems, proto_descriptors
from scaleworthy.errors import UsageError
from scaleworthy.load.answers import Body, Extract, HeaderTests
from scaleworthy.load.base import Duration, PartProblems, PlanPart, shown
from scaleworthy.load.bodies import read_json
from scaleworthy.load.http import Headers
from scaleworthy.load.origins import is_absolute, native_place, split_absolute
from scaleworthy.load.request_step import Tags
from scaleworthy.load.streams import EventStream
from scaleworthy.load.template import nearest
from scaleworthy.load.texts import Label, Variable, check_label

STATUSES = (
    "OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS",
    "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED",
    "INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED",
)  # fmt: skip
"""How a call may come out, each at the place of its number (grpc/grpc, doc/statuscodes.md)."""

_METHOD = re.compile(r"[A-Za-z_][\w.]*/[A-Za-z_]\w*")
_OWN_METADATA = {"content-type", "te", "grpc-timeout", "grpc-encoding", "grpc-accept-encoding", "host"}


def _read_method(value: Any) -> Any:
    text = value if isinstance(value, str) else ""
    try:
        name = split_absolute(text)[1].lstrip("/") if is_absolute(text) else text
    except UsageError as error:
        raise ValueError(error.message) from error
    if not _METHOD.fullmatch(name):
        raise ValueError(
            f"must be package.Service/Method, or a URL such as http://127.0.0.1:50051/package.Service/Method, got {shown(value)}"
        )
    return value


def _read_statuses(value: Any) -> list[str]:
    items = value if isinstance(value, list) else [value]
    for item in items:
        if item not in STATUSES:
            raise ValueError(f"must be a status of gRPC such as OK or NOT_FOUND, got {shown(item)}{_near(item)}")
    if not items:
        raise ValueError("must name at least one status")
    return [str(item) for item in items]


def _near(item: Any) -> str:
    return nearest(str(item).upper(), STATUSES) or ""


def _read_metadata(value: Any) -> Any:
    for name in value if isinstance(value, dict) else ():
        if str(name).lower() in _OWN_METADATA:
            raise ValueError(f"{name!r} is set by the engine; leave it out")
    return value


def _read_stream(value: Any) -> Any:
    if isinstance(value, bool):
        return {} if value else None
    return value


class GrpcExpect(Body):
    """What the answer to a call must be; without any, status OK.

    Attributes:
        status: One or several.
        metadata: Name → text that a header's or trailer's value holds, or tests of it; null asks only that it is there.
        within_ns: The longest response time.
    """

    status: Annotated[list[str], BeforeValidator(_read_statuses)] = Field(default_factory=lambda: ["OK"])
    metadata: HeaderTests = Field(default_factory=dict)
    within_ns: Duration | None = Field(None, alias="within")

    def expectations(self) -> list[dict[str, Any]]:
        """Return the engine's list of expectations."""
        wanted = super().expectations()
        wanted += [{"header": {"name": name, **test.model_dump()}} for name, test in self.metadata.items()]
        return wanted + ([{"within_ns": self.within_ns}] if self.within_ns is not None else [])


class GrpcStep(PlanPart):
    """One call: `{grpc: package.Service/Method, proto: api.proto, message: {…}}`; it counts as one request.

    Attributes:
        grpc: The method, at the plan's target; or a whole URL.
        proto: The file that describes it, relative to the plan file.
        import_paths: Folders, relative to the plan file, in which its imports are looked for beside its own.
        message: What is sent, in JSON; a list of messages where the method takes a stream.
        metadata: Sent as headers.
        timeout_ns: In place of the plan's; the server is told of it as the deadline. Of a stream: the longest silence.
        stream: Read the answer message by message.
    """

    grpc: Annotated[str, BeforeValidator(_read_method)]
    proto: Annotated[str, Field(min_length=1)]
    import_paths: list[str] = Field(default_factory=list)
    message: Annotated[Any, BeforeValidator(read_json)] = Field(default_factory=dict)
    name: Label | None = None
    metadata: Annotated[Headers, BeforeValidator(_read_metadata)] = Field(default_factory=dict)
    timeout_ns: Duration | None = Field(None, alias="timeout")
    tags: Tags = Field(default_factory=dict)
    expect: GrpcExpect = Field(default_factory=lambda: GrpcExpect.model_validate({}))
    extract: dict[Variable, Extract] = Field(default_factory=dict)
    stream: Annotated[EventStream | None, BeforeValidator(_read_stream)] = None

    _descriptors: bytes = b""

    @model_validator(mode="after")
    def _is_in_the_proto(self, info: ValidationInfo) -> GrpcStep:
        check_label(self.name)
        if self.stream is not None and Body.expectations(self.expect):
            raise ValueError(
                "the messages of a stream are not kept: put what they must be into stream.any or stream.last"
            )
        folder = Path((info.context or {}).get("folder", "."))
        descriptors = _descriptors(folder / self.proto, [folder / path for path in self.import_paths])
        object.__setattr__(self, "_descriptors", descriptors)
        text = json.dumps(self.message, ensure_ascii=False)
        problems = grpc_problems(descriptors, method=self.method, message=text, streams=self.stream is not None)
        if problems:
            raise PartProblems(problems)
        return self

    @property
    def method(self) -> str:
        """`package.Service/Method`."""
        return split_absolute(self.grpc)[1].lstrip("/") if is_absolute(self.grpc) else self.grpc

    @property
    def requests(self) -> int:
        """How many requests it counts as."""
        return 1

    @property
    def label(self) -> str:
        """The step's name in every result."""
        return self.name or self.method[:200]

    def templates(self) -> list[tuple[str, str]]:
        """Return each text that may hold a template, with the field it stands in."""
        texts = [("message", json.dumps(self.message, ensure_ascii=False))]
        texts += [("metadata", value) for value in self.metadata.values()]
        if self.stream is not None:
            texts += [("stream", text) for text in self.stream.last.templates()]
        return texts + [("expect", text) for text in self.expect.templates()]

    def to_native(self, base: str) -> dict[str, Any]:
        """Return the engine's form; *base* is the target's own path."""
        request = {
            "name": self.label,
            "method": "POST",
            **native_place(self.grpc if is_absolute(self.grpc) else f"/{self.grpc}", base),
            "headers": [[name.lower(), value] for name, value in self.metadata.items()],
            "body": json.dumps(self.message, ensure_ascii=False, separators=(",", ":")),
            "expect": self.expect.expectations(),
            "extract": [source.to_native(variable) for variable, source in self.extract.items()],
            "tags": sorted(self.tags.items()),
            "grpc": {
                "descriptors": base64.b64encode(self._descriptors).decode(),
                "method": self.method,
                "welcome": [STATUSES.index(status) for status in self.expect.status],
            },
        }
        if self.timeout_ns is not None:
            request["timeout_ns"] = self.timeout_ns
        if self.stream is not None:
            request["stream"] = self.stream.native_of("grpc")
        return {"request": request}


def _descriptors(file: Path, import_paths: Sequence[Path]) -> bytes:
    if not file.is_file():
        raise PartProblems([f"proto: there is no file {str(file)!r}"])
    try:
        return proto_descriptors(str(file.resolve()), import_paths=[str(path.resolve()) for path in import_paths])
    except ValueError as error:
        raise PartProblems([f"proto: {error}"]) from error
