"""The pieces of Markdown, each safe for any text: inline text, a table, a list, a code block."""

from __future__ import annotations

import re
from collections.abc import Sequence

from scaleworthy.report import numbers

_SPECIAL = re.compile(r"([\\`*\[\]<>#|~]|(?<!\w)_|_(?!\w)|&(?=#?\w+;)|!(?=\[))")
# What would make a list, a rule or an underline, were it the first of a line.
_STARTS_BLOCK = re.compile(r"^(\d*)([-+=.)])(?=[\s-]|$|=)")


def inline(text: str, *, cell: bool = False) -> str:
    """Return *text* as one line in which nothing but paired back ticks is markup; a *cell* also escapes pipes in code."""
    one_line = " ".join(text.split())
    parts = []
    for is_code, part in numbers.code_spans(one_line):
        if is_code:
            parts.append("`" + (part.replace("|", "\\|") if cell else part) + "`")
        else:
            parts.append(_SPECIAL.sub(r"\\\1", part))
    return _STARTS_BLOCK.sub(r"\1\\\2", "".join(parts))


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table; every cell is escaped."""
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(
        "| " + " | ".join(cell if cell == "---" else inline(cell, cell=True) for cell in line) + " |" for line in lines
    )


def bullets(lines: Sequence[str]) -> str:
    """Return a list; every line is escaped."""
    return "\n".join(f"- {inline(line)}" for line in lines)


def block(text: str, language: str = "") -> str:
    """Return a code block whose fence is longer than any run of back ticks within."""
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{text}\n{fence}"
