"""What a front end makes of a file: a plan, the same in the plan file's form, and what must be said about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from scaleworthy.load.plan import Plan
from scaleworthy.load.yaml_lines import Places


@dataclass(frozen=True, slots=True)
class Document:
    """A YAML or JSON file that was read and not understood yet.

    Attributes:
        path: The file; what it names is looked for beside it.
        data: Its mapping as plain data.
        places: Line and column of each part.
    """

    path: Path
    data: dict[str, Any]
    places: Places


@dataclass(frozen=True, slots=True)
class Wishes:
    """What a command line says beside the file's name.

    Attributes:
        target: In place of the file's target.
        environment: The part of the file that replaces others (Artillery's `config.environments`).
        has_load: Whether the command line gives the load, so that a file without any is whole.
    """

    target: str | None = None
    environment: str | None = None
    has_load: bool = False


@dataclass(frozen=True, slots=True)
class Imported:
    """A plan that was another tool's file.

    Attributes:
        plan: Ready to run.
        data: The plan in the plan file's form, for `scaleworthy import`.
        notes: What runs differently from what the file may suggest, each with its line.
    """

    plan: Plan
    data: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
