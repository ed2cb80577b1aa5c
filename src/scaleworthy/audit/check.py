"""A check: one question to the evidence, and the findings that answer it. One folder each, found by its name.

Adding one is adding `checks/<dimension>/NNNN_name/` with `check.py` (a `CHECK`), `page.md`, `dirty.sql` and `clean.sql`.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import cast, get_args

from scaleworthy.audit.evidence import Evidence
from scaleworthy.finding import Dimension, Finding

PIECES = ("check.py", "page.md", "dirty.sql", "clean.sql")
_ROOT = Path(__file__).parent / "checks"
_FOLDER = re.compile(r"\d{4}_[a-z0-9_]+")


@dataclass(frozen=True, slots=True)
class Check:
    """One question.

    Attributes:
        id: `<dimension>/NNNN_name`, as its folder.
        title: The fault that it looks for.
        passes: What may be said when it finds nothing.
        needs: Evidence without which it cannot answer; see the gaps of `Evidence`.
        run: Yields findings; nothing yielded means that the check passed.
    """

    id: str
    title: str
    passes: str
    run: Callable[[Evidence], Iterable[Finding]]
    needs: tuple[str, ...] = ()

    @property
    def dimension(self) -> Dimension:
        """The part of the service that is judged."""
        return cast("Dimension", self.id.partition("/")[0])

    @property
    def key(self) -> str:
        """The short id, such as `database/0002`, which opens the id of each of its findings."""
        return self.id.partition("_")[0]

    @property
    def folder(self) -> Path:
        """Where its pieces are."""
        return _ROOT / self.id

    def page(self) -> str:
        """Return the page that explains it, as Markdown."""
        return (self.folder / "page.md").read_text("utf-8")


def folders(root: Path = _ROOT) -> list[Path]:
    """Return the folder of every check below *root*, by dimension and number."""
    wanted = (root / dimension for dimension in get_args(Dimension))
    return sorted(
        item for place in wanted if place.is_dir() for item in place.iterdir() if _FOLDER.fullmatch(item.name)
    )


def missing_pieces(folder: Path) -> list[str]:
    """Return what a check's folder lacks; `check.py` and its page, and the two databases that it is tested on."""
    return [name for name in PIECES if not (folder / name).is_file()]


def discover() -> tuple[Check, ...]:
    """Return every check, by dimension and number."""
    found = []
    for folder in folders():
        name = f"{__package__}.checks.{folder.parent.name}.{folder.name}.check"
        found.append(cast("Check", importlib.import_module(name).CHECK))
    return tuple(found)
