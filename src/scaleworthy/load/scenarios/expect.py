"""Hold an answer to what a scenario expects of it: the same rules as a plan's `expect`."""

from __future__ import annotations

import json as json_module
import re
from collections.abc import Collection, Mapping, Sequence
from functools import lru_cache
from typing import Any

from scaleworthy._native import Response, json_first
from scaleworthy.load.scenarios.errors import ExpectationFailed

_EXCERPT = 120
Broken = tuple[str, str]


def look_closely(
    response: Response,
    status: int | str | Collection[int] | None,
    contains: str | Sequence[str] | None,
    matches: str | None,
    json: Mapping[str, Any] | None,
    header: str | Mapping[str, str | None] | None,
) -> None:
    """Raise for the first expectation that *response* breaks, having counted it.

    Raises:
        ExpectationFailed: With what was wanted and what was got.
    """
    broken = (
        _status(response, status)
        or _contains(response, contains)
        or _matches(response, matches)
        or _json(response, json)
        or _header(response, header)
    )
    if broken is not None:
        kind, text = broken
        response.count_failure(kind, text)
        raise ExpectationFailed(kind, text)


def _status(response: Response, wanted: int | str | Collection[int] | None) -> Broken | None:
    got = response.status
    if wanted is None:
        # As in a plan: what names no status expects one below 400.
        return ("expect-status", f"got status {got}") if got >= 400 else None
    if isinstance(wanted, int):
        held = got == wanted
    elif isinstance(wanted, str):
        if not re.fullmatch(r"[1-5]xx", wanted):
            raise ValueError(f"a status is a number, several, or a class such as '2xx', got {wanted!r}")
        held = got // 100 == int(wanted[0])
    else:
        held = got in wanted
    return None if held else ("expect-status", f"wanted status {wanted}, got {got}")


def _contains(response: Response, wanted: str | Sequence[str] | None) -> Broken | None:
    for text in [wanted] if isinstance(wanted, str) else wanted or ():
        if text.encode() not in response.content:
            return "expect-body", f"wanted a body with {text!r}, got {_excerpt(response)}"
    return None


def _matches(response: Response, wanted: str | None) -> Broken | None:
    if wanted is None or _pattern(wanted).search(response.content.decode(errors="replace")):
        return None
    return "expect-body", f"wanted a body that matches {wanted!r}, got {_excerpt(response)}"


def _json(response: Response, wanted: Mapping[str, Any] | None) -> Broken | None:
    for path, value in (wanted or {}).items():
        found = json_first(response.content, path)
        if found is None:
            return "expect-body", f"wanted {_shown(value)} at {path}, got nothing there in {_excerpt(response)}"
        got = json_module.loads(found)
        if value is not None and got != value:
            return "expect-body", f"wanted {_shown(value)} at {path}, got {found[:_EXCERPT]}"
    return None


def _header(response: Response, wanted: str | Mapping[str, str | None] | None) -> Broken | None:
    if wanted is None:
        return None
    for name, text in {wanted: None}.items() if isinstance(wanted, str) else wanted.items():
        values = response.header_values(name)
        if not values:
            return "expect-header", f"wanted header {name!r}, got no such header"
        if text is not None and not any(text in value for value in values):
            return "expect-header", f"wanted header {name!r} with {text!r}, got {', '.join(values)!r}"
    return None


def _shown(value: Any) -> str:
    return "a value" if value is None else json_module.dumps(value)


def _excerpt(response: Response) -> str:
    content = response.content
    text = repr(content[:_EXCERPT].decode(errors="replace"))
    return text if len(content) <= _EXCERPT else f"{text}... ({len(content)} bytes)"


@lru_cache(maxsize=1_000)
def _pattern(text: str) -> re.Pattern[str]:
    return re.compile(text)
