"""An OpenAPI description as a plan: a scenario for each operation that only reads.

Path and required query parameters are filled from the description's examples, defaults and enumerations, then by type. What
cannot be filled is left out and named. Source: OpenAPI 3.1, 4.8.12 (Parameter Object) and 4.8.24 (Schema Object).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from scaleworthy.errors import InvalidInput, UsageError
from scaleworthy.load.import_.imported import Document, Imported, Wishes
from scaleworthy.load.plan import make_plan

SAFE = ("get", "head")
SCENARIOS_MAX = 500

_BY_TYPE = {"integer": 1, "number": 1, "boolean": True}
_BY_FORMAT = {
    "uuid": "00000000-0000-4000-8000-000000000001",
    "date": "2026-01-01",
    "date-time": "2026-01-01T00:00:00Z",
    "email": "someone@example.com",
}


def is_openapi(data: Mapping[str, Any]) -> bool:
    """Return whether a mapping is an OpenAPI 3 description."""
    return str(data.get("openapi", "")).startswith("3.") and isinstance(data.get("paths"), dict)


def openapi_plan(document: Document, wishes: Wishes) -> Imported:
    """Return the plan in which each reading operation is a scenario of its own.

    Raises:
        UsageError: The description names no absolute server, and none is wished.
        InvalidInput: No operation of it can be sent.
    """
    target = wishes.target or _server(document.data)
    if target is None:
        raise UsageError(
            f"{document.path.name} names no absolute server", hint="say where it is: --target http://127.0.0.1:8000"
        )
    scenarios: list[dict[str, Any]] = []
    notes: list[str] = []
    unsafe = 0
    for method, template, operation, shared in operations(document.data):
        if method not in SAFE:
            unsafe += 1
            continue
        path = filled(document.data, template, operation, shared)
        if path is None:
            notes.append(
                f"{method.upper()} {template} is left out: a required parameter has no example, default or usable type"
            )
        elif len(scenarios) == SCENARIOS_MAX:
            notes.append(f"only the first {SCENARIOS_MAX} operations are taken")
            break
        else:
            name = f"{method.upper()} {template}"
            scenarios.append({"name": name, "steps": [{method: path, "name": name}]})
    if unsafe:
        notes.append(f"{unsafe} operations that may change data are left out: write those that you want into the plan")
    if not scenarios:
        raise InvalidInput(document.path.name, notes or ["paths: there is no operation in it"])
    data = {"target": target, "scenarios": scenarios}
    return Imported(make_plan(data, folder=document.path.parent, what=document.path.name), data, tuple(notes))


def _server(document: Mapping[str, Any]) -> str | None:
    for server in document.get("servers") or ():
        url = str(server.get("url", "")) if isinstance(server, dict) else ""
        if urlsplit(url).scheme in ("http", "https") and "{" not in url:
            return url
    return None


def operations(document: Mapping[str, Any]) -> Iterator[tuple[str, str, Mapping[str, Any], list[Any]]]:
    """Yield method, path template, operation and the path's shared parameters of all that is not deprecated."""
    for template, item in document["paths"].items():
        for method in ("get", "head", "post", "put", "patch", "delete", "options"):
            operation = item.get(method) if isinstance(item, dict) else None
            if isinstance(operation, dict) and not operation.get("deprecated"):
                yield method, str(template), operation, list(item.get("parameters") or ())


def filled(document: Mapping[str, Any], template: str, operation: Mapping[str, Any], shared: list[Any]) -> str | None:
    """Return the path with its required parameters filled in; None where one of them cannot be."""
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
