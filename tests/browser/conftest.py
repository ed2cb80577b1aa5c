from __future__ import annotations

import sys
from pathlib import Path

import pytest

# The scripts are no package of the product: chromium.py is shared between them and the browser tests.
SCRIPTS = Path(__file__).parents[2] / "scripts"
if str(SCRIPTS) not in sys.path:
    sys.path.insert(0, str(SCRIPTS))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Without a Chromium the browser tests say so, and how to get one."""
    import chromium

    if chromium.find() is None:
        for item in items:
            if item.get_closest_marker("browser"):
                item.add_marker(pytest.mark.skip(reason=chromium.HOW_TO_GET))
