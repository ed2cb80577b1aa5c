"""Read a YAML (or JSON) file as plain data, and note the line and column at which each part of it stands."""

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
Places = dict[Loc, tuple[int, int]]
"""Line and column, both from 1, of each part of a document."""


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
    data, places = parse_yaml(read_text(path, what=what, hint=hint), path, what=what, wanted=wanted)
    return data, {loc: line for loc, (line, _) in places.items()}


def read_text(path: Path, *, what: str, hint: str | None = None) -> str:
    """Return the text of *path*.

    Raises:
        UsageError: The file cannot be read, is too large, or is not UTF-8.
    """
    try:
        if path.stat().st_size > FILE_MAX_BYTES:
            raise UsageError(f"{path} is larger than {FILE_MAX_BYTES // 10**6} MB: that is no {what}")
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise UsageError(f"{what} {str(path)!r} cannot be read: {error.strerror or error}", hint=hint) from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{what} {str(path)!r} is not UTF-8 text (byte {error.start})") from error


def parse_yaml(text: str, path: Path, *, what: str, wanted: str) -> tuple[dict[str, Any], Places]:
    """Return the mapping that *text*, the content of *path*, holds, and where each part of it stands.

    Raises:
        UsageError: It has too many parts.
        InvalidInput: It is not YAML, or not a mapping; with the line.
    """
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
    except (YAMLError, ValueError) as error:  # a ValueError is a date that no calendar has
        raise InvalidInput(str(path), [f"{path.name}:1: not YAML: {error}"]) from None
    except RecursionError:
        raise InvalidInput(str(path), [f"{path.name}:1: nested too deeply"]) from None
    if not isinstance(document, CommentedMap):
        raise InvalidInput(str(path), [f"{path.name}:1: must be a mapping with {wanted}"])
    places: Places = {(): (1, 1)}
    try:
        return dict(_plain(document, (), places, [0], what)), places
    except RecursionError:
        raise InvalidInput(str(path), [f"{path.name}:1: nested too deeply, or a part holds itself"]) from None


def line_of(loc: Loc, lines: dict[Loc, int]) -> int:
    """Return the line of the nearest part around *loc* that the file has."""
    while loc not in lines:
        loc = loc[:-1]
    return lines[loc]


def _plain(node: Any, loc: Loc, places: Places, count: list[int], what: str) -> Any:
    """Return *node* as plain data, noting in *places* where each part of it stands."""
    count[0] += 1
    if count[0] > NODES_MAX:
        raise UsageError(f"the {what} has more than {NODES_MAX} parts", hint="keep rows in a feeder file")
    if isinstance(node, CommentedMap):
        result = {}
        for key, value in node.items():
            name = str(key)
            # A key that came by a merge (`<<`) has no place of its own.
            line, column = node.lc.key(key) if key in (node.lc.data or {}) else (node.lc.line, node.lc.col)
            places[(*loc, name)] = (line + 1, column + 1)
            result[name] = _plain(value, (*loc, name), places, count, what)
        return result
    if isinstance(node, CommentedSeq):
        items = []
        for at, value in enumerate(node):
            line, column = node.lc.item(at) if at in (node.lc.data or {}) else (node.lc.line, node.lc.col)
            places[(*loc, at)] = (line + 1, column + 1)
            items.append(_plain(value, (*loc, at), places, count, what))
        return items
    if isinstance(node, bool) or node is None:
        return node
    for kind in (int, float, str):
        if isinstance(node, kind):
            return kind(node)
    return str(node)
