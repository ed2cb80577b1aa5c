"""A plan file's text from its form: what `scaleworthy import` writes, and `load_plan` reads back."""

from __future__ import annotations

import io
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

_WIDTH = 120
_FLOW_LENGTH = 100
_FILES = {"file", "python", "ca_file", "cert_file", "key_file"}
_SENT = {"json", "form", "headers", "query", "variables"}
"""What a step sends as it stands: a field named `file` in it is no file of ours."""


def plan_text(data: Mapping[str, Any], *, notes: Sequence[str] = (), source: Path, folder: Path) -> str:
    """Return the plan file that *data* (the plan file's form) is, under a heading with *notes*.

    Args:
        source: The file that it was made from; the files that the plan names are looked for beside it.
        folder: Where the text will be, so that it names them from there.
    """
    writer = YAML()
    writer.width = _WIDTH
    writer.indent(mapping=2, sequence=4, offset=2)
    writer.representer.add_representer(type(None), lambda to, _: to.represent_scalar("tag:yaml.org,2002:null", "null"))
    out = io.StringIO()
    out.write(f"# Imported from {source.name}.\n")
    out.writelines(f"# Note: {' '.join(note.split())}\n" for note in notes)
    plan = writer.map()
    for name, item in _with_paths(data, source.parent, folder).items():
        plan[name] = _arranged(item, writer)
    writer.dump(plan, out)
    return out.getvalue()


def _with_paths(value: Any, before: Path, after: Path) -> Any:
    """Return *value* with the files it names looked for from *after* instead of from *before*."""
    if isinstance(value, Mapping):
        return {
            name: os.path.relpath(before / item, after)
            if name in _FILES and isinstance(item, str)
            else item
            if name in _SENT
            else _with_paths(item, before, after)
            for name, item in value.items()
        }
    if isinstance(value, list):
        return [_with_paths(item, before, after) for item in value]
    return value


def _arranged(value: Any, writer: YAML) -> Any:
    """Return *value* with what is short on one line, as people write plans."""
    if isinstance(value, dict) and value:
        made = writer.map()
        for name, item in value.items():
            made[name] = _arranged(item, writer)
        if len(repr(value)) <= _FLOW_LENGTH and not any(
            isinstance(item, dict | list) and item for item in value.values()
        ):
            made.fa.set_flow_style()
        return made
    if isinstance(value, list) and value:
        made = writer.seq([_arranged(item, writer) for item in value])
        if len(repr(value)) <= _FLOW_LENGTH and not any(isinstance(item, dict | list) for item in value):
            made.fa.set_flow_style()
        return made
    return value
