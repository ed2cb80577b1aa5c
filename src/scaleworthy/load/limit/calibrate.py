"""What can the generator itself send on this machine? A search that asked for more would find its own limit."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from scaleworthy._native import NullServer
from scaleworthy.load.generator import Generator, judge_generator
from scaleworthy.load.limit.driver import Driver
from scaleworthy.load.limit.engine_driver import EngineDriver, end_at_once, live_load
from scaleworthy.load.plan import make_plan
from scaleworthy.load.prepare import prepare
from scaleworthy.series import MemoryStore

Speed = Literal["declarative", "python"]
_FROM_PER_S: dict[Speed, float] = {"declarative": 16_000.0, "python": 2_000.0}
_STEPS: dict[Speed, int] = {"declarative": 4, "python": 6}
_DELIVERED = 0.95
_SCENARIO = Path(__file__).with_name("ask.py")
_known: dict[Sender, float] = {}


@dataclass(frozen=True, slots=True)
class Sender:
    """The way requests are sent: from steps or from Python scenarios, in so many worker processes with so many threads in all."""

    speed: Speed = "declarative"
    workers: int | None = None
    threads: int | None = None

    @property
    def tries(self) -> int:
        """Seconds at a rate before it counts as too high.

        Worker processes have two: they hear of a rate some hundredths of a second later, and Python now and then collects garbage.
        """
        return 1 if self.speed == "declarative" and self.workers in (None, 1) else 2


def generator_capacity(sender: Sender, *, stop: threading.Event | None = None) -> float:
    """Return the most requests per second that *sender* sends on this machine while its own lag p99 stays below 1 ms.

    All of its processes send at once. Measured against a server that answers at once, within this process, doubling each second; the
    result is kept. On a machine too busy for any lag below 1 ms it is half of what the CPU time of a request allows; of Python
    scenarios, whose own CPU time is not the engine's, what was sent.

    Raises:
        SearchStopped: *stop* was set; nothing is kept.
    """
    if sender not in _known:
        _known[sender] = _measured(sender, stop)
    return _known[sender]


def _measured(sender: Sender, stop: threading.Event | None) -> float:
    server = NullServer()
    try:
        declarative = {"scenarios": [{"name": "ask", "steps": [{"get": "/"}]}]}
        does = declarative if sender.speed == "declarative" else {"python": str(_SCENARIO)}
        plan = make_plan({"target": f"http://127.0.0.1:{server.port}/", "seed": 1, **does})
        shared = {"threads": sender.threads, "workers": sender.workers}
        run = prepare(plan.model_copy(update=shared), live=live_load("rate"))
        run.start()
        try:
            return _fastest(EngineDriver(run, stop), sender, threads=run.threads)
        finally:
            end_at_once(run)
    finally:
        server.stop()


def _fastest(driver: Driver, sender: Sender, *, threads: int) -> float:
    level, fastest = _FROM_PER_S[sender.speed], 0.0
    driver.set_level(level)
    driver.next_second()  # connections are opened
    for _ in range(_STEPS[sender.speed]):
        for _ in range(sender.tries):
            sent, generator = _second(driver, threads=threads)
            if not generator.limited and sent >= _DELIVERED * level:
                break
        else:
            if fastest == 0.0 and generator.cpu_us_per_request and sender.speed == "declarative":
                return threads * 1e6 / generator.cpu_us_per_request / 2
            return fastest or sent
        fastest, level = sent, level * 2
        driver.set_level(level)
    return fastest


def _second(driver: Driver, *, threads: int) -> tuple[float, Generator]:
    """Return how many requests were sent in the next second, and how well."""
    store = MemoryStore()
    second, slices = driver.next_second()
    store.append(second, slices)
    window = (second, second + 1)
    return store.total("load.started", window=window), judge_generator(
        store, window, connections_max=None, threads=threads
    )
