"""Which front end reads a file: it is recognised by what it holds, not by its name.

A further format is one entry of `FORMATS`: whether a document is one, and what plan it becomes.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scaleworthy.errors import UsageError
from scaleworthy.load.front_locust import locust_plan
from scaleworthy.load.front_python import python_plan
from scaleworthy.load.front_yaml import near_files, plan_of
from scaleworthy.load.import_ import curl
from scaleworthy.load.import_.artillery import artillery_plan, is_artillery
from scaleworthy.load.import_.har import har_plan, is_har
from scaleworthy.load.import_.imported import Document, Imported, Wishes
from scaleworthy.load.import_.openapi import is_openapi, openapi_plan
from scaleworthy.load.import_.postman import is_postman, postman_plan
from scaleworthy.load.plan import Plan
from scaleworthy.load.scenarios.locust.recognise import is_locust
from scaleworthy.load.yaml_lines import parse_yaml, read_text

_SCRIPTS = {".js", ".cjs", ".mjs", ".ts", ".mts", ".cts"}


@dataclass(frozen=True, slots=True)
class Format:
    """A kind of file.

    Attributes:
        name: In messages, after "an" or "a".
        recognises: Whether the mapping that a file holds is of this kind.
        imported: The plan of such a file.
    """

    name: str
    recognises: Callable[[Mapping[str, Any]], bool]
    imported: Callable[[Document, Wishes], Imported]


JSON_FORMATS = (
    Format("HTTP Archive", is_har, har_plan),
    Format("Postman collection", is_postman, postman_plan),
    Format("OpenAPI description", is_openapi, openapi_plan),
)
"""What programs write."""

FORMATS = (
    Format("Artillery script", is_artillery, artillery_plan),
    Format("OpenAPI description", is_openapi, openapi_plan),
)
"""In the order in which they are tried; what none of them recognises is a plan file."""


def read_plan(path: Path | str, wishes: Wishes | None = None) -> Imported:
    """Return the plan of a file in any of the formats, with what must be said about it.

    Raises:
        UsageError: The file cannot be read, or a wish does not fit it.
        InvalidInput: Every problem, each with its line.
    """
    path, wishes = Path(path), wishes or Wishes()
    if path.suffix == ".py":
        return locust_plan(path, wishes) if is_locust(path) else python_plan(path, wishes)
    if path.suffix.lower() in _SCRIPTS:
        raise UsageError(
            f"{path.name} is JavaScript, which is not run",
            hint="give the test as YAML or JSON, or write it as a Python scenario",
        )
    text = read_text(path, what="plan", hint=near_files(path))
    if path.suffix in curl.SUFFIXES or curl.is_curl(text):
        _refuse_environment(path, wishes, "curl commands")
        return curl.curl_plan(text, path, wishes)
    if (recorded := _recorded_json(text)) is not None:
        for kind in JSON_FORMATS:
            if kind.recognises(recorded):
                _refuse_environment(path, wishes, f"a {kind.name}")
                return kind.imported(Document(path, recorded, {}), wishes)
    data, places = parse_yaml(text, path, what="plan", wanted="target and scenarios")
    document = Document(path, data, places)
    for kind in FORMATS:
        if kind.recognises(data):
            return kind.imported(document, wishes)
    _refuse_environment(path, wishes, "a plan file")
    return plan_of(document, wishes)


def _recorded_json(text: str) -> dict[str, Any] | None:
    """Return a document that a program wrote as JSON; such ones are long, and need no line numbers."""
    if not text.lstrip().startswith("{"):
        return None
    try:
        data = json.loads(text)
    except ValueError:
        return None
    return data if isinstance(data, dict) else None


def _refuse_environment(path: Path, wishes: Wishes, what: str) -> None:
    if wishes.environment is not None:
        raise UsageError(
            f"--environment is for an Artillery script with config.environments; {path.name} is {what}",
            hint="leave it out",
        )


def load_plan(path: Path | str, *, target: str | None = None) -> Plan:
    """Return the plan in the file *path*, whichever of the formats it has; *target* is used in place of its own.

    Raises:
        UsageError: The file cannot be read.
        InvalidInput: Every problem, each as `plan.yaml:12: scenarios[0].steps[1].expect.status: must be …, got …`.
    """
    return read_plan(path, Wishes(target=target)).plan
