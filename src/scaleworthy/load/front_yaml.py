"""A Plan from a YAML file; every problem is listed at once, each with its line and its path."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.constructor import DuplicateKeyError
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from scaleworthy.errors import InvalidInput, UsageError
from scaleworthy.load.plan import Plan
from scaleworthy.load.problems import located, path_text

FILE_MAX_BYTES = 10 * 10**6
NODES_MAX = 200_000
Loc = tuple[str | int, ...]


def load_plan(path: Path | str, *, target: str | None = None) -> Plan:
    """Return the plan in the YAML file *path*; *target* is used in place of its own.

    Raises:
        UsageError: The file cannot be read.
        InvalidInput: Every problem, each as `plan.yaml:12: scenarios[0].steps[1].expect.status: must be …, got …`.
    """
    path = Path(path)
    data, lines = _read(path)
    if target is not None:
        data = {**data, "target": target}
    try:
        return Plan.model_validate(data, context={"folder": path.parent})
    except ValidationError as error:
        problems = sorted((_line_of(loc, lines), path_text(loc), text) for loc, text in located(error, Plan))
        raise InvalidInput(
            str(path),
            [f"{path.name}:{line}: {f'{where}: ' if where else ''}{text}" for line, where, text in problems],
            hint="docs/reference/plan.md lists every field",
        ) from None


def _read(path: Path) -> tuple[dict[str, Any], dict[Loc, int]]:
    try:
        if path.stat().st_size > FILE_MAX_BYTES:
            raise UsageError(f"{path} is larger than {FILE_MAX_BYTES // 10**6} MB: that is no plan")
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise UsageError(f"plan {str(path)!r} cannot be read: {error.strerror or error}", hint=_hint(path)) from error
    except UnicodeDecodeError as error:
        raise UsageError(f"plan {str(path)!r} is not UTF-8 text (byte {error.start})") from error
    try:
        document = YAML(typ="rt").load(text)
    except DuplicateKeyError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise InvalidInput(
            str(path), [f"{path.name}:{line}: {str(error.problem).split(' with ')[0]}: each name once"]
        ) from None
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"{mark.line + 1}: column {mark.column + 1}" if mark else "1"
        raise InvalidInput(str(path), [f"{path.name}:{where}: not YAML: {error.problem or error.context}"]) from None
    except YAMLError as error:
        raise InvalidInput(str(path), [f"{path.name}:1: not YAML: {error}"]) from None
    if not isinstance(document, CommentedMap):
        raise InvalidInput(str(path), [f"{path.name}:1: must be a mapping with target and scenarios"])
    lines: dict[Loc, int] = {(): 1}
    return dict(_plain(document, (), lines, [0])), lines


def _plain(node: Any, loc: Loc, lines: dict[Loc, int], count: list[int]) -> Any:
    """Return *node* as plain data, noting in *lines* where each part of it stands."""
    count[0] += 1
    if count[0] > NODES_MAX:
        raise UsageError(f"the plan has more than {NODES_MAX} parts", hint="keep rows in a feeder file")
    if isinstance(node, CommentedMap):
        result = {}
        for key, value in node.items():
            name = str(key)
            lines[(*loc, name)] = (node.lc.key(key)[0] if key in (node.lc.data or {}) else node.lc.line) + 1
            result[name] = _plain(value, (*loc, name), lines, count)
        return result
    if isinstance(node, CommentedSeq):
        items = []
        for at, value in enumerate(node):
            lines[(*loc, at)] = (node.lc.item(at)[0] if at in (node.lc.data or {}) else node.lc.line) + 1
            items.append(_plain(value, (*loc, at), lines, count))
        return items
    if isinstance(node, bool) or node is None:
        return node
    for kind in (int, float, str):
        if isinstance(node, kind):
            return kind(node)
    return str(node)


def _line_of(loc: Loc, lines: dict[Loc, int]) -> int:
    while loc not in lines:
        loc = loc[:-1]
    return lines[loc]


def _hint(path: Path) -> str | None:
    near = sorted(other.name for other in path.parent.glob("*.y*ml"))[:5] if path.parent.is_dir() else []
    return (
        f"in {path.parent} there is {', '.join(near)}"
        if near
        else "give a plan file, or a URL such as http://127.0.0.1:8000/"
    )
