"""Whether a Python file is Locust's: it imports `locust`."""

from __future__ import annotations

import ast
from pathlib import Path


def is_locust(path: Path) -> bool:
    """Return whether the file imports Locust and not this package; what cannot be read is not."""
    try:
        tree = ast.parse(path.read_bytes(), str(path))
    except (OSError, SyntaxError, ValueError):
        return False
    return "locust" in _imported(tree) and "scaleworthy" not in _imported(tree)


def _imported(tree: ast.Module) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.partition(".")[0])
    return names
