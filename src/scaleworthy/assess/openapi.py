"""Make a scenario from a service's own OpenAPI description: safe methods only, each tried once before it is loaded.

Path and required query parameters are filled from the description's examples, defaults and enumerations, then by type.
What cannot be filled, or does not answer below 400 when tried, is left out and named, so that the report can say what
was not measured. Source: OpenAPI 3.1, 4.8.12 (Parameter Object) and 4.8.24 (Schema Object).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

MOST_STEPS = 30

_BY_TYPE = {"integer": 1, "number": 1, "boolean": True}
_BY_FORMAT = {
    "uuid": "00000000-0000-4000-8000-000000000001",
    "date": "2026-01-01",
    "date-time": "2026-01-01T00:00:00Z",
    "email": "someone@example.com",
}


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
    for template, operation, shared in _get_operations(document):
        path = _filled(document, template, operation, shared)
        if path is None:
            left_out.append(f"GET {template}: a required parameter has no example, default or usable type")
        elif len(steps) == MOST_STEPS:
            left_out.append(f"GET {template}: only the first {MOST_STEPS} operations are loaded")
        elif (status := fetch(path).status) is None or status >= 400:
            left_out.append(f"GET {template}: tried once as {path}, answered {status or 'nothing'}")
        else:
            steps.append({"get": path, "name": f"GET {template}"})
    return Discovered(tuple(steps), tuple(left_out))


def _get_operations(document: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any], list[Any]]]:
    for template, item in document["paths"].items():
        if isinstance(item, dict) and isinstance(item.get("get"), dict) and not item["get"].get("deprecated"):
            yield template, item["get"], list(item.get("parameters", ()))


def _filled(document: Mapping[str, Any], template: str, operation: Mapping[str, Any], shared: list[Any]) -> str | None:
    path, query = template, {}
    for raw in (*shared, *operation.get("parameters", ())):
        parameter = _resolved(document, raw)
        where, name = parameter.get("in"), parameter.get("name", "")
        if where not in ("path", "query", "header") or not (parameter.get("required") or where == "path"):
            continue
        value = _value(document, parameter)
        if value is None or where == "header":
            return None
        if where == "path":
            path = path.replace("{" + name + "}", quote(_text(value), safe=""))
        else:
            query[name] = _text(value)
    if "{" in path:
        return None
    return f"{path}?{urlencode(query)}" if query else path


def _value(document: Mapping[str, Any], parameter: Mapping[str, Any]) -> Any:
    if "example" in parameter:
        return parameter["example"]
    for example in (parameter.get("examples") or {}).values():
        return _resolved(document, example).get("value")
    schema = _resolved(document, parameter.get("schema") or {})
    for alternative in schema.get("anyOf", ()):
        if (resolved := _resolved(document, alternative)).get("type") != "null":
            schema = resolved
            break
    if (examples := schema.get("examples")) and isinstance(examples, list):
        return examples[0]
    for key in ("example", "default", "const"):
        if schema.get(key) is not None:
            return schema[key]
    if schema.get("enum"):
        return schema["enum"][0]
    return _BY_FORMAT.get(schema.get("format", "")) or _BY_TYPE.get(schema.get("type", ""))


def _resolved(document: Mapping[str, Any], item: Any) -> Mapping[str, Any]:
    for _ in range(8):  # a chain of references longer than this is a loop
        if not isinstance(item, dict):
            return {}
        reference = item.get("$ref")
        if not isinstance(reference, str):
            return item
        if not reference.startswith("#/"):
            return {}
        target: Any = document
        for part in reference[2:].split("/"):
            target = target.get(part.replace("~1", "/").replace("~0", "~")) if isinstance(target, dict) else None
        item = target
    return {}


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
