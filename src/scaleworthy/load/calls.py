"""Which HTTP a plan with calls of gRPC speaks: they go over HTTP/2 alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from scaleworthy.load.http import HttpSettings, Target


def spoken_version(http: HttpSettings, target: Target, scenarios: Sequence[Mapping[str, Any]]) -> str:
    """Return the version for the engine's form of *scenarios*.

    Where calls go over TLS and the plan says nothing of the version, the server chooses; an origin without TLS that calls go to
    speaks HTTP/2 whatever the plan says of others.
    """
    if "version" in http.model_fields_set or not any(
        (target.url if origin is None else origin).startswith("https://") for origin in _called(scenarios)
    ):
        return http.version
    return "auto"


def _called(native: Any) -> Iterator[str | None]:
    """Yield the origin of each call, however deep it stands; None for the target."""
    if isinstance(native, Mapping):
        request = native.get("request")
        if isinstance(request, Mapping) and "grpc" in request:
            yield request.get("origin")
        for value in native.values():
            yield from _called(value)
    elif isinstance(native, list | tuple):
        for value in native:
            yield from _called(value)
