"""The self-test's lines for people and for JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from scaleworthy.load.host import host_facts, version_facts
from scaleworthy.load.selftest.line import MEANS, Line

_WORDS = {True: "held", False: "DID NOT HOLD", None: ""}


def line_text(line: Line) -> str:
    """Return one line as a progress line."""
    wanted = "" if line.wanted == "–" else f"wanted {line.wanted}, "
    held = f": {_WORDS[line.held]}" if line.held is not None else ""
    return f"{line.speed}: {line.what}: {wanted}got {line.got}{held}"


def table(lines: Sequence[Line]) -> str:
    """Return the table, what each line that did not hold means, and the verdict."""
    rows = [("", "speed", "what", "wanted", "got")]
    rows += [(_WORDS[line.held], line.speed, line.what, line.wanted, line.got) for line in lines]
    widths = [max(len(row[at]) for row in rows) for at in range(5)]
    shown = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    broken = list(dict.fromkeys(line.proof for line in lines if line.held is False))
    shown += [f"{proof}: {MEANS[proof]}" for proof in broken]
    proved = [line for line in lines if line.held is not None]
    return "\n".join([*shown, f"{sum(bool(line.held) for line in proved)} of {len(proved)} held"])


def to_dict(lines: Sequence[Line]) -> dict[str, Any]:
    """Return plain data for JSON, with the machine and the versions that it is true of."""
    return {
        "schema": 1,
        "held": all(line.held is not False for line in lines),
        "host": host_facts(),
        "versions": version_facts(),
        "lines": [asdict(line) for line in lines],
    }
