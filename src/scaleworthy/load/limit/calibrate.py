"""What can the generator itself send on this machine? A search that asked for more would find its own limit."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Literal

from scaleworthy._native import NullServer
from scaleworthy.load.generator import judge_generator
from scaleworthy.load.limit.driver import Driver
from scaleworthy.load.limit.engine_driver import EngineDriver, end_at_once, live_load
from scaleworthy.load.plan import Plan, make_plan
from scaleworthy.load.prepare import prepare
from scaleworthy.series import MemoryStore

_FROM_PER_S = {"declarative": 16_000.0, "python": 2_000.0}
_STEPS = {"declarative": 4, "python": 6}
_DELIVERED = 0.95
_SCENARIO = Path(__file__).with_name("ask.py")
Kind = tuple[Literal["declarative", "python"], int | None, int | None]
_known: dict[Kind, float] = {}


def generator_capacity(plan: Plan, *, stop: threading.Event | None = None) -> float:
    """Return the most requests per second that this machine sends in the way of *plan* while its own lag p99 stays below 1 ms.

    That is: declarative or from Python scenarios, with as many threads and workers. Measured against a server that answers at once,
    within this process, doubling each second; the result is kept. On a machine too busy for any lag below 1 ms it is half of what
    the CPU time of a request allows.

    Raises:
        SearchStopped: *stop* was set; nothing is kept.
    """
    kind: Kind = ("declarative" if plan.python is None else "python", plan.threads, plan.workers)
    if kind not in _known:
        _known[kind] = _measured(kind, stop)
    return _known[kind]


def _measured(kind: Kind, stop: threading.Event | None) -> float:
    speed, threads, workers = kind
    server = NullServer()
    try:
        does = (
            {"scenarios": [{"name": "ask", "steps": [{"get": "/"}]}]}
            if speed == "declarative"
            else {"python": str(_SCENARIO)}
        )
        plan = make_plan({"target": f"http://127.0.0.1:{server.port}/", "seed": 1, **does})
        run = prepare(plan.model_copy(update={"threads": threads, "workers": workers}), live=live_load("rate"))
        run.start()
        try:
            return _fastest(EngineDriver(run, stop), threads=run.threads, speed=speed)
        finally:
            end_at_once(run)
    finally:
        server.stop()


def _fastest(driver: Driver, *, threads: int, speed: Literal["declarative", "python"]) -> float:
    level, fastest = _FROM_PER_S[speed], 0.0
    driver.set_level(level)
    driver.next_second()  # connections are opened
    for _ in range(_STEPS[speed]):
        store = MemoryStore()
        second, slices = driver.next_second()
        store.append(second, slices)
        window = (second, second + 1)
        sent = store.total("load.started", window=window)
        generator = judge_generator(store, window, connections_max=None, threads=threads)
        if generator.limited or sent < _DELIVERED * level:
            if fastest == 0.0 and generator.cpu_us_per_request:
                return threads * 1e6 / generator.cpu_us_per_request / 2
            return fastest or sent
        fastest, level = sent, level * 2
        driver.set_level(level)
    return fastest
