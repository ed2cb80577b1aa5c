"""Read a YAML file as plain data, and note the line on which each part of it stands."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.constructor import DuplicateKeyError
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from scaleworthy.errors import InvalidInput, UsageError

FILE_MAX_BYTES = 10 * 10**6
NODES_MAX = 200_000
Loc = tuple[str | int, ...]


def read_yaml(path: Path, *, what: str, wanted: str, hint: str | None = None) -> tuple[dict[str, Any], dict[Loc, int]]:
    """Return the mapping in *path*, and the line (from 1) of each place in it.

    Args:
        what: What the file is, in messages: `plan`.
        wanted: What the mapping must hold, in messages: `target and scenarios`.
        hint: What to do when there is no such file.

    Raises:
        UsageError: The file cannot be read, or is too large.
        InvalidInput: It is not YAML, or not a mapping; with the line.
    """
    try:
        if path.stat().st_size > FILE_MAX_BYTES:
            raise UsageError(f"{path} is larger than {FILE_MAX_BYTES // 10**6} MB: that is no {what}")
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{what} {str(path)!r} cannot be read: {error.strerror or error}", hint=hint) from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{what} {str(path)!r} is not UTF-8 text (byte {error.start})") from error
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
        raise InvalidInput(str(path), [f"{path.name}:1: must be a mapping with {wanted}"])
    lines: dict[Loc, int] = {(): 1}
    return dict(_plain(document, (), lines, [0], what)), lines


def line_of(loc: Loc, lines: dict[Loc, int]) -> int:
    """Return the line of the nearest part around *loc* that the file has."""
    while loc not in lines:
        loc = loc[:-1]
    return lines[loc]


def _plain(node: Any, loc: Loc, lines: dict[Loc, int], count: list[int], what: str) -> Any:
    """Return *node* as plain data, noting in *lines* where each part of it stands."""
    count[0] += 1
    if count[0] > NODES_MAX:
        raise UsageError(f"the {what} has more than {NODES_MAX} parts", hint="keep rows in a feeder file")
    if isinstance(node, CommentedMap):
        result = {}
        for key, value in node.items():
            name = str(key)
            lines[(*loc, name)] = (node.lc.key(key)[0] if key in (node.lc.data or {}) else node.lc.line) + 1
            result[name] = _plain(value, (*loc, name), lines, count, what)
        return result
    if isinstance(node, CommentedSeq):
        items = []
        for at, value in enumerate(node):
            lines[(*loc, at)] = (node.lc.item(at)[0] if at in (node.lc.data or {}) else node.lc.line) + 1
            items.append(_plain(value, (*loc, at), lines, count, what))
        return items
    if isinstance(node, bool) or node is None:
        return node
    for kind in (int, float, str):
        if isinstance(node, kind):
            return kind(node)
    return str(node)
