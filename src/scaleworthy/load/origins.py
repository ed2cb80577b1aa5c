"""Origins: scheme, host and port of where requests go. The target is one; a step that names a whole URL goes to another.

Every origin of a plan is known before the run: its name is looked up, its addresses are permitted, and it is seen to listen, as
the target's are. So no template stands in this part of a URL.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Any

from pydantic import BeforeValidator, PlainSerializer

from scaleworthy.errors import UsageError
from scaleworthy.load.base import from_text
from scaleworthy.load.http import Target, encode_path

_WHOLE = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*://[^/?#]*)(.*)", re.DOTALL)


def is_absolute(text: str) -> bool:
    """Return whether *text* is a whole URL rather than a path."""
    return _WHOLE.fullmatch(text) is not None


def split_absolute(url: str) -> tuple[Target, str]:
    """Return the origin that a whole URL names, and its path with the query.

    Raises:
        UsageError: A template stands in the origin, or it is not one of http or https with a host.
    """
    found = _WHOLE.fullmatch(url)
    origin, rest = (found[1], found[2]) if found else (url, "")
    if "{{" in origin:
        raise UsageError(
            f"scheme, host and port of a URL hold no template (each origin is looked up and permitted before the start), got {origin!r}; "
            "write a step for each origin"
        )
    path = rest.split("#")[0]
    return Target.parse(origin), path if path.startswith("/") else f"/{path}"


def native_place(path: str, base: str) -> dict[str, Any]:
    """Return origin and path of the engine's form: of a whole URL its own, of a path the target's, behind *base*."""
    if not is_absolute(path):
        return {"path": base + encode_path(path)}
    origin, own_path = split_absolute(path)
    return {"origin": origin.url, "path": encode_path(own_path)}


def parse_origin(text: str) -> Target:
    """Return the origin that *text* names; a path is refused.

    Raises:
        UsageError: Not an http or https URL with a host and nothing behind it.
    """
    target = Target.parse(text)
    if target.base:
        raise UsageError(f"an origin is scheme, host and port, without a path, got {text!r}")
    return target


OriginUrl = Annotated[
    Target,
    BeforeValidator(from_text(parse_origin, "an origin, such as http://127.0.0.1:9000")),
    PlainSerializer(lambda target: target.url),
]


def other_origins(target: Target, declared: Sequence[Target], scenarios: Sequence[Mapping[str, Any]]) -> list[Target]:
    """Return the origins beyond the target's: those declared, and those that the engine's form of *scenarios* names."""
    named = [Target.parse(holder["origin"]) for holder in _holders(scenarios)]
    return list(dict.fromkeys(origin for origin in [*declared, *named] if origin != replace(target, base="")))


def number_origins(target: Target, others: Sequence[Target], scenarios: Sequence[dict[str, Any]]) -> None:
    """Put numbers in place of the origins that *scenarios* name: the target is 0, *others* follow."""
    numbers = {origin.url: number for number, origin in enumerate([replace(target, base=""), *others])}
    for holder in _holders(scenarios):
        holder["origin"] = numbers[holder["origin"]]


def _holders(native: Any) -> Iterator[dict[str, Any]]:
    """Yield each request of the engine's form that names an origin, however deep it stands."""
    if isinstance(native, Mapping):
        request = native.get("request")
        if isinstance(request, dict) and isinstance(request.get("origin"), str):
            yield request
        for value in native.values():
            yield from _holders(value)
    elif isinstance(native, list | tuple):
        for value in native:
            yield from _holders(value)
