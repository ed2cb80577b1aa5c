"""Make a scenario from a service's own OpenAPI description: safe methods only, each tried once before it is loaded.

Path and required query parameters are filled from the description's examples, defaults and enumerations, then by type.
What cannot be filled, or does not answer below 400 when tried, is left out and named, so that the report can say what
was not measured. Source: OpenAPI 3.1, 4.8.12 (Parameter Object) and 4.8.24 (Schema Object).
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from scaleworthy.load.import_.openapi import filled, operations

MOST_STEPS = 30


@dataclass(frozen=True, slots=True)
class Answer:
    """What one trial request got: its status (None when no answer came back, and then why) and its body."""

    status: int | None
    body: bytes
    why: str = ""


Fetch = Callable[[str], Answer]
"""GET of a path (with query) on the target."""


@dataclass(frozen=True, slots=True)
class Discovered:
    """The steps that can be loaded, as plan steps, and what was left out, each with its reason."""

    steps: tuple[dict[str, Any], ...]
    left_out: tuple[str, ...]


def discover(fetch: Fetch, *, description: str = "/openapi.json") -> Discovered | None:
    """Return what the service's description offers for loading, or None where it has no readable description."""
    answer = fetch(description)
    if answer.status != 200:
        return None
    try:
        document = json.loads(answer.body)
    except ValueError:
        return None
    if not isinstance(document, dict) or not isinstance(document.get("paths"), dict):
        return None
    steps: list[dict[str, Any]] = []
    left_out: list[str] = []
    for method, template, operation, shared in operations(document):
        if method != "get":
            continue
        path = filled(document, template, operation, shared)
        if path is None:
            left_out.append(f"GET {template}: a required parameter has no example, default or usable type")
        elif len(steps) == MOST_STEPS:
            left_out.append(f"GET {template}: only the first {MOST_STEPS} operations are loaded")
        elif (status := fetch(path).status) is None or status >= 400:
            left_out.append(f"GET {template}: tried once as {path}, answered {status or 'nothing'}")
        else:
            steps.append({"get": path, "name": f"GET {template}"})
    return Discovered(tuple(steps), tuple(left_out))
