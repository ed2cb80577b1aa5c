"""A report as JSON, and back: every field of report/model.py under its own name.

JSON has no word for infinity and not-a-number; they are written as the strings `Infinity`, `-Infinity` and `NaN`.
"""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from typing import Any

from pydantic import TypeAdapter, ValidationError

from scaleworthy.errors import InvalidInput
from scaleworthy.report.model import Report

SCHEMA = 1


def render(report: Report) -> str:
    """Return the report as JSON text; `parse` gives the same report back."""
    return json.dumps(_plain(asdict(report)), ensure_ascii=False, indent=1, allow_nan=False) + "\n"


def parse(text: str) -> Report:
    """Return the report that `render` wrote.

    Raises:
        InvalidInput: The text is not JSON, or not a report of this schema; every problem is listed.
    """
    try:
        data = json.loads(text)
    except json.JSONDecodeError as error:
        raise InvalidInput("report JSON", [f"line {error.lineno}, column {error.colno}: {error.msg}"]) from error
    if not isinstance(data, dict) or data.get("schema") != SCHEMA:
        got = data.get("schema") if isinstance(data, dict) else type(data).__name__
        raise InvalidInput("report JSON", [f"schema: {SCHEMA} is wanted, got {got!r}"])
    try:
        return TypeAdapter(Report).validate_python(data)
    except ValidationError as error:
        problems = [f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors()]
        raise InvalidInput("report JSON", problems) from error


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return value
