"""What can the generator itself send on this machine? A search that asked for more would find its own limit."""

from __future__ import annotations

import json
import threading

from scaleworthy._native import NullServer, Run
from scaleworthy.load.engine import InProcess
from scaleworthy.load.front_url import plan_for_url
from scaleworthy.load.generator import judge_generator
from scaleworthy.load.limit.driver import Driver
from scaleworthy.load.limit.engine_driver import EngineDriver, live_load
from scaleworthy.series import MemoryStore

_FROM_PER_S = 16_000.0
_STEPS = 4
_DELIVERED = 0.95
_known: dict[int | None, float] = {}


def generator_capacity(threads: int | None = None, *, stop: threading.Event | None = None) -> float:
    """Return the most requests per second that this machine's generator sends while its own lag p99 stays below 1 ms.

    Measured against a server that answers at once, within this process, doubling each second; the result is kept. On a machine too
    busy for any lag below 1 ms it is half of what the CPU time of a request allows.

    Raises:
        SearchStopped: *stop* was set; nothing is kept.
    """
    if threads not in _known:
        _known[threads] = _measured(threads, stop)
    return _known[threads]


def _measured(threads: int | None, stop: threading.Event | None) -> float:
    server = NullServer()
    try:
        plan = plan_for_url(f"http://127.0.0.1:{server.port}/", seed=1).model_copy(update={"threads": threads})
        native = plan.to_native(addresses=["127.0.0.1"], live=live_load("rate"))
        run = InProcess(Run(plan_json=json.dumps(native)))
        run.start()
        try:
            return _fastest(EngineDriver(run, stop), threads=run.threads)
        finally:
            run.abort()
    finally:
        server.stop()


def _fastest(driver: Driver, *, threads: int) -> float:
    level, fastest = _FROM_PER_S, 0.0
    driver.set_level(level)
    driver.next_second()  # connections are opened
    for _ in range(_STEPS):
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
