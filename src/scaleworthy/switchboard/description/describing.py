"""Puts the answers into the description that FastAPI makes of the routes' questions."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic.json_schema import models_json_schema

from scaleworthy.switchboard.description.answers import ALSO, ALSO_EVENTS, ANSWERS, BYTES, EVENTS, REFUSALS
from scaleworthy.switchboard.description.nouns import Model, Refused

_PREFIX = "/api"
# Requests have models of the same names.
_ANSWER = "Answer."
_REF = f"#/components/schemas/{_ANSWER}{{model}}"
_EVENT = {
    "type": "object",
    "properties": {"event": {"type": "string"}, "data": {"type": "string"}},
    "required": ["data"],
}
# Of FastAPI's own refusals, which this service does not use.
_UNUSED = ("HTTPValidationError", "ValidationError")


def describe(app: FastAPI) -> None:
    """Let *app* describe what its routes answer; the text is made when it is first asked for."""

    def made() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _described(get_openapi(title=app.title, version=app.version, routes=app.routes))
        return app.openapi_schema

    # FastAPI's own way to change the description.
    app.openapi = made  # type: ignore[method-assign]


def _described(description: dict[str, Any]) -> dict[str, Any]:
    models: list[Model] = [Refused, *(model for _, model in ANSWERS.values() if isinstance(model, type))]
    names, schemas = models_json_schema(
        [(model, "serialization") for model in dict.fromkeys(models)], ref_template=_REF
    )
    parts = description.setdefault("components", {}).setdefault("schemas", {})
    for name in _UNUSED:
        parts.pop(name, None)
    parts |= {f"{_ANSWER}{name}": schema for name, schema in schemas["$defs"].items()}
    for path, operations in description["paths"].items():
        for method, operation in operations.items():
            key = (method, path.removeprefix(_PREFIX))
            if key in ANSWERS:
                status, model = ANSWERS[key]
                operation["responses"] = {str(status): {"description": _first_line(operation)}}
                _fill(operation["responses"][str(status)], model, names)
                if key in ALSO_EVENTS:
                    operation["responses"][str(status)]["content"][EVENTS] = {"schema": _EVENT}
                if key in ALSO:
                    other, why = ALSO[key]
                    operation["responses"][str(other)] = operation["responses"][str(status)] | {"description": why}
            for refusal, why in REFUSALS.items():
                content = {"application/json": {"schema": names[Refused, "serialization"]}}
                operation["responses"].setdefault(str(refusal), {"description": why, "content": content})
    return description


def _fill(answer: dict[str, Any], model: Any, names: Any) -> None:
    if isinstance(model, type):
        answer["content"] = {"application/json": {"schema": names[model, "serialization"]}}
    elif model is not None:
        schema = {"type": "string", "format": "binary"} if model == BYTES else {"type": "string"}
        answer["content"] = {model: {"schema": schema}}


def _first_line(operation: dict[str, Any]) -> str:
    said: str = operation.get("description") or operation.get("summary") or "The answer."
    return said.partition("\n")[0]
