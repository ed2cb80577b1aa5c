"""Plans for the native engine in one line, and a run added up: what the engine tests share."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

from scaleworthy._native import Histogram, Run

S = 10**9
MS = 10**6


def get(path: str = "/x", name: str = "get", **fields: Any) -> dict[str, Any]:
    return {"request": {"name": name, "method": "GET", "path": path, **fields}}


def think(low_ns: int, high_ns: int | None = None) -> dict[str, Any]:
    return {"think": {"min_ns": low_ns, "max_ns": low_ns if high_ns is None else high_ns}}


def steady(level: float, seconds: float) -> list[dict[str, float]]:
    return [{"duration_ns": int(seconds * S), "from": level, "to": level}]


def open_load(rate: float, seconds: float, arrivals: str = "constant", count: int | None = None) -> dict[str, Any]:
    return {"kind": "open", "arrivals": arrivals, "stages": steady(rate, seconds), "count": count}


def closed_load(users: float, seconds: float, count: int | None = None) -> dict[str, Any]:
    return {"kind": "closed", "arrivals": None, "stages": steady(users, seconds), "count": count}


def plan(port: int, load: dict[str, Any], *steps: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """Return a plan for 127.0.0.1; a change such as `http__connections_max=4` goes one level down."""
    made: dict[str, Any] = {
        "target": {"scheme": "http", "host": "127.0.0.1", "port": port, "addresses": ["127.0.0.1"]},
        "tls": {"insecure": False, "ca_pem": None},
        "http": {
            "connections_max": 1000,
            "timeout_ns": 10 * S,
            "connect_timeout_ns": 5 * S,
            "redirects_max": 5,
            "body_bytes_max": 2**20,
            "keep_alive": True,
        },
        "headers": [["user-agent", "scaleworthy/0.1"]],
        "variables": {},
        "feeders": [],
        "scenarios": [{"name": "main", "weight": 1.0, "steps": list(steps) or [get()]}],
        "load": load,
        "grace_ns": 5 * S,
        "threads": None,
        "seed": 42,
        "live": False,
    }
    for name, value in changes.items():
        part, _, inner = name.partition("__")
        if inner:
            made[part][inner] = value
        else:
            made[part] = value
    return made


@dataclass
class Added:
    """A whole run: counters summed, histograms merged, gauges as they came."""

    seconds: list[int] = field(default_factory=list)
    counters: dict[tuple[str, str], float] = field(default_factory=lambda: defaultdict(float))
    labelled: dict[tuple[str, str], float] = field(default_factory=lambda: defaultdict(float))
    histograms: dict[str, Histogram] = field(default_factory=lambda: defaultdict(Histogram))
    gauges: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    examples: dict[str, str] = field(default_factory=dict)
    threads: int = 0

    def total(self, name: str, step: str | None = None) -> int:
        return int(sum(v for (n, s), v in self.counters.items() if n == name and step in (None, s)))

    def errors(self) -> dict[str, int]:
        return {value: int(count) for (name, value), count in self.labelled.items() if name == "load.errors" and count}

    def statuses(self) -> dict[str, int]:
        return {value: int(count) for (name, value), count in self.labelled.items() if name == "load.statuses"}

    def add(self, tick: Any) -> None:
        self.seconds.append(tick.second)
        for name, pairs, _unit, kind, value in tick.slices:
            labels = dict(pairs)
            step = labels.pop("step", "")
            label = next(iter(labels.values()), "")
            if kind == "histogram":
                self.histograms[f"{name} {label}".strip()].merge(value)
            elif kind == "counter" and label:
                self.labelled[name, label] += value
            elif kind == "counter":
                self.counters[name, step] += value
            else:
                self.gauges[name].append(value)


def finish(run: Run, added: Added | None = None) -> Added:
    """Take every tick that is still to come."""
    added = added or Added()
    while not run.finished:
        tick = run.next_tick(timeout_s=20)
        assert tick is not None, "no tick within 20 s"
        added.add(tick)
    added.examples = run.error_examples()
    added.threads = run.threads
    return added


def carry_out(made: dict[str, Any]) -> Added:
    run = Run(plan_json=json.dumps(made))
    run.start()
    return finish(run)
