"""A shop, and Locust files that are run against it."""

from collections.abc import Callable, Iterator
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from load.locust.shop import Shop, open_shop
from scaleworthy.load import Wishes, read_plan, run_load
from scaleworthy.series import MemoryStore

Runs = Callable[..., dict[str, Any]]


@pytest.fixture
def shop() -> Iterator[Shop]:
    with open_shop() as made:
        yield made


@pytest.fixture
def runs(shop: Shop, tmp_path: Path) -> Runs:
    """Run the text of a Locust file, as it would stand in a folder of its own, and return the summary with its examples of errors."""

    def run(text: str, **load: Any) -> dict[str, Any]:
        file = tmp_path / "locustfile.py"
        file.write_text(dedent(text))
        plan = read_plan(file, Wishes(target=shop.url, has_load=True)).plan
        store = MemoryStore()
        summary = run_load(plan.changed(load=load or {"users": 1, "count": 1}, seed=1), store)
        return {**summary, "examples": store.fact("load", "error_examples")}

    return run
