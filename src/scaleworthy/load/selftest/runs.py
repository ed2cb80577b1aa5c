"""The runs of which the proofs are made: a plan at one of the speeds, and what its store says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scaleworthy.load.plan import Plan
from scaleworthy.load.run import LoadRun, start
from scaleworthy.load.selftest.line import Speed
from scaleworthy.load.summary import Summary
from scaleworthy.series import MemoryStore

MESSAGES_PER_SOCKET = 20


@dataclass(frozen=True, slots=True)
class Ran:
    """A run that is over."""

    summary: Summary
    store: MemoryStore


def begin(speed: Speed, url: str, load: Mapping[str, Any], *, connections: int = 64, grace: str = "5s") -> LoadRun:
    """Start *load* at *speed*; the seed is fixed, so that two self-tests send the same."""
    data: dict[str, Any] = {
        "target": url,
        "load": dict(load),
        "http": {"connections_max": connections},
        "grace": grace,
        "seed": 1,
    }
    if speed == "python":
        data |= {"python": "user.py", "workers": 1}
    elif speed == "websocket":
        echo = {"send": "x", "receive": {}, "name": "echo"}
        data["scenarios"] = [{"name": "main", "steps": [{"websocket": "/", "steps": [echo] * MESSAGES_PER_SOCKET}]}]
    else:
        data["scenarios"] = [{"name": "main", "steps": [{"get": "/"}]}]
    return start(Plan.model_validate(data, context={"folder": Path(__file__).parent}), MemoryStore())


def end(run: LoadRun) -> Ran:
    """Follow *run* to its end."""
    store = run.store
    assert isinstance(store, MemoryStore)
    return Ran(run.wait(), store)
