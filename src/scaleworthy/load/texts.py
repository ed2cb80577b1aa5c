"""Texts of a plan that mean something: paths of the target, names of variables, labels of the results."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from scaleworthy.errors import UsageError
from scaleworthy.load.base import shown
from scaleworthy.load.origins import is_absolute, split_absolute
from scaleworthy.load.template import NAME, literal_parts, names_in


def _read_path(value: Any) -> str:
    if not isinstance(value, str) or not (value.startswith(("/", "{{")) or is_absolute(value)):
        raise ValueError(f"must be a path of the target that starts with '/', or a whole URL, got {shown(value)}")
    if any(ord(char) < 32 or ord(char) == 127 for char in value):
        raise ValueError(f"must not hold a line break or control character, got {shown(value)}")
    names_in(value)
    if is_absolute(value):
        try:
            split_absolute(value)
        except UsageError as error:
            raise ValueError(error.message) from error
    return value


def _read_socket_path(value: Any) -> str:
    if isinstance(value, str) and value.lower().startswith(("ws://", "wss://")):
        # A WebSocket is opened by a request of HTTP, to the same origin.
        value = f"http{value[2:]}"
    return _read_path(value)


def _read_variable(value: Any) -> str:
    if not isinstance(value, str) or not NAME.fullmatch(value):
        raise ValueError(f"a variable is letters, digits, '_', '-' and '.', got {shown(value)}")
    return value


def check_label(name: str | None) -> None:
    """Refuse a step's name that holds a template: results are kept by name.

    Raises:
        ValueError: It does.
    """
    if name is not None and "{{" in name:
        raise ValueError(f"a name is a label of the results and holds no template, got {name!r}")


def path_label(verb: str, path: str) -> str:
    """Return the name that a step has by default: *verb* and *path*, without its query, templates by their names."""
    pieces = literal_parts(path.split("?")[0])
    named = "".join("{" + piece.strip("{} ") + "}" if template else piece for piece, template in pieces)
    return f"{verb} {named}"[:200]


Path = Annotated[str, BeforeValidator(_read_path)]
SocketPath = Annotated[str, BeforeValidator(_read_socket_path)]
Variable = Annotated[str, BeforeValidator(_read_variable)]
Label = Annotated[str, Field(min_length=1, max_length=200)]
