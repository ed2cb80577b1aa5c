"""What a scenario's file says of its run beside what users do: a plan file's form, noted at import and checked when the plan is made.

settings = Settings(http={"proxy": "http://127.0.0.1:3128", "timeout": "3s"}, headers={"x-team": "crm"})
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypedDict, Unpack

Loc = tuple[str | int, ...]


class Form(TypedDict, total=False):
    """The parts of a plan file that a scenario's file may give (docs/reference/plan.md).

    Attributes:
        target: Where requests go, unless `--target` says otherwise.
        origins: Further origins that are looked up, and seen to listen, before the start.
        headers: Sent with every request.
        http: Connections, version, limits, names, proxy and TLS.
        load: How much, for how long, unless the command line says otherwise.
        objectives: What must hold.
        seed: Repeats the same random choices.
        apdex: The response time that satisfies.
        grace: How long unfinished requests may take after the run's end.
        workers: Processes that share the load.
    """

    target: str
    origins: Sequence[str]
    headers: Mapping[str, str]
    http: Mapping[str, Any]
    load: Mapping[str, Any]
    objectives: Sequence[str | Mapping[str, Any]]
    seed: int
    apdex: str
    grace: str
    workers: int


FIELDS = tuple(Form.__annotations__)


class Settings:
    """A scenario file's settings; a file has one, as a module's variable of any name.

    Attributes:
        given: In the plan file's form, as it was given; wrong values are named when the plan is made, all at once.
        file: Where it stands.
        line: The line in it.
    """

    def __init__(self, **given: Unpack[Form]) -> None:
        caller = sys._getframe(1)  # noqa: SLF001 - whoever reads of a wrong value needs the line that gave it
        self.given: dict[str, Any] = dict(given)
        self.file = Path(caller.f_code.co_filename)
        self.line = caller.f_lineno

    def lines(self) -> dict[Loc, int]:
        """Return the line of each part that is written out where the settings are made."""
        lines: dict[Loc, int] = {(): self.line}
        try:
            tree = ast.parse(self.file.read_text(encoding="utf-8-sig"))
        except (OSError, ValueError, SyntaxError):
            return lines
        made = (node for node in ast.walk(tree) if isinstance(node, ast.Call) and node.lineno == self.line)
        for call in made:
            for keyword in call.keywords:
                if keyword.arg in self.given:
                    lines[keyword.arg,] = keyword.lineno
                    lines.update(_inner_lines(keyword.value, (keyword.arg,)))
        return lines


def _inner_lines(node: ast.expr, loc: Loc) -> Iterator[tuple[Loc, int]]:
    match node:
        case ast.Dict():
            for key, value in zip(node.keys, node.values, strict=True):
                if isinstance(key, ast.Constant) and isinstance(key.value, str):
                    yield (*loc, key.value), key.lineno
                    yield from _inner_lines(value, (*loc, key.value))
        case ast.List() | ast.Tuple():
            for at, item in enumerate(node.elts):
                yield (*loc, at), item.lineno
                yield from _inner_lines(item, (*loc, at))
        case _:
            return
