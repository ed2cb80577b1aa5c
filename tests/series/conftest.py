"""A run, filled by a function and then asked: in memory, in a live recording, and in a recording read back."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from scaleworthy.series import MemoryStore, Recording, Store

Fill = Callable[[Store], None]


@pytest.fixture(params=["memory", "live recording", "recording read back"])
def filled(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[Fill], Store]]:
    """Return what makes a store out of a function that fills one."""
    with ExitStack() as stack:

        def make(fill: Fill) -> Store:
            if request.param == "memory":
                store: Store = MemoryStore({"seed": 1})
                fill(store)
                return store
            recording = stack.enter_context(Recording.create(tmp_path / "run.sw", {"seed": 1}))
            fill(recording)
            if request.param == "live recording":
                return recording
            recording.close()
            return Recording.open(tmp_path / "run.sw")

        yield make
