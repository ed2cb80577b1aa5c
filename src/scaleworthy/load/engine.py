"""What carries a plan out: the engine in this process, or a fleet of worker processes; both are steered the same way.

`LoadRun` and the search for a limit know only `Engine`. `InProcess` is the native engine with a look at this process's own cost
added to each second; `fleet.Fleet` is several processes whose seconds are merged.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from scaleworthy._native import Histogram, Run
from scaleworthy.load.health import Health

Value = Histogram | float
Labels = tuple[tuple[str, str], ...]
RawSlice = tuple[str, Labels, str, Literal["histogram", "counter", "gauge"], Value]
"""Name, labels, unit, kind and value, as the native engine gives them."""


@dataclass(frozen=True, slots=True)
class EngineTick:
    """What the whole run saw within one second.

    Attributes:
        second: Unix time of its beginning.
        last: Whether the run is over.
    """

    second: int
    last: bool
    slices: Sequence[RawSlice]


@dataclass(frozen=True, slots=True)
class WorkerReport:
    """What one process of the engine cost, and how late it was.

    Attributes:
        cpu_s: CPU time of the whole process while the run went on, in seconds.
        memory_max_bytes: The most memory that was resident at the end of a second.
        lag_p99_ms: p99 of *sent* − *planned* of its requests; None without any.
        lost: How it ended, where it ended before the run did.
    """

    number: int
    threads: int
    cpu_s: float
    memory_max_bytes: int
    lag_p99_ms: float | None
    lost: str | None = None


class Engine(Protocol):
    """A run that can be started, steered and listened to."""

    @property
    def threads(self) -> int:
        """Engine threads, over all processes."""

    @property
    def finished(self) -> bool:
        """Whether the last tick was handed out."""

    def start(self) -> None:
        """Begin the schedule."""

    def next_tick(self, *, timeout_s: float) -> EngineTick | None:
        """Return the next second of the run; None when it is not there in time, or all were handed out."""

    def set_level(self, *, per_s_or_users: float) -> None:
        """Ask for so many starts per second, or users, from now on."""

    def pause(self) -> None:
        """Plan no more requests until `resume`."""

    def resume(self) -> None:
        """Go on where `pause` stopped."""

    def stop(self) -> None:
        """Start nothing more; what is in flight has the plan's grace to end."""

    def abort(self) -> None:
        """Start nothing more and cut what is in flight."""

    def set_addresses(self, *, origin: int, addresses: Sequence[str], took_ns: int | None) -> None:
        """Use these addresses for the origin of this number from now on; looking them up took *took_ns*."""

    def refuse_addresses(self, *, origin: int, why: str, took_ns: int | None) -> None:
        """Open no more connections to the origin of this number: requests to it fail as `dns`, with *why*."""

    def note(self, text: str) -> None:
        """Add to `notes`, once."""

    def error_examples(self) -> dict[str, str]:
        """Return one example of each error kind so far."""

    def log(self) -> tuple[list[str], int]:
        """Return the first lines that scenarios logged, and how many there were."""

    def in_flight(self) -> int:
        """Return how many requests are sent and not done."""

    def report(self) -> list[WorkerReport]:
        """Return what each process cost so far."""

    def notes(self) -> list[str]:
        """Return what a reader of the numbers must know of how they came about, in sentences."""


class InProcess:
    """The native engine within this process."""

    def __init__(self, run: Run, *, health: Health | None = None) -> None:
        self._run = run
        self._health = health if health is not None else Health(worker=0)
        self._tally = Tally(number=0, threads=run.threads)
        self._notes: list[str] = []

    @property
    def threads(self) -> int:
        """See `Engine.threads`."""
        return self._run.threads

    @property
    def finished(self) -> bool:
        """See `Engine.finished`."""
        return self._run.finished

    def start(self) -> None:
        """See `Engine.start`."""
        self._health.begin()
        self._run.start()

    def next_tick(self, *, timeout_s: float) -> EngineTick | None:
        """See `Engine.next_tick`."""
        tick = self._run.next_tick(timeout_s=timeout_s)
        if tick is None:
            return None
        slices: list[RawSlice] = [*tick.slices, *self._health.slices()]
        self._tally.add(slices)
        return EngineTick(tick.second, tick.last, slices)

    def set_level(self, *, per_s_or_users: float) -> None:
        """See `Engine.set_level`."""
        self._run.set_level(per_s_or_users=per_s_or_users)

    def pause(self) -> None:
        """See `Engine.pause`."""
        self._run.pause()

    def resume(self) -> None:
        """See `Engine.resume`."""
        self._run.resume()

    def stop(self) -> None:
        """See `Engine.stop`."""
        self._run.stop()

    def abort(self) -> None:
        """See `Engine.abort`."""
        self._run.abort()

    def set_addresses(self, *, origin: int, addresses: Sequence[str], took_ns: int | None) -> None:
        """See `Engine.set_addresses`."""
        self._run.set_addresses(origin=origin, addresses=list(addresses), took_ns=took_ns)

    def refuse_addresses(self, *, origin: int, why: str, took_ns: int | None) -> None:
        """See `Engine.refuse_addresses`."""
        self._run.refuse_addresses(origin=origin, why=why, took_ns=took_ns)

    def note(self, text: str) -> None:
        """See `Engine.note`."""
        if text not in self._notes:
            self._notes.append(text)

    def error_examples(self) -> dict[str, str]:
        """See `Engine.error_examples`."""
        return self._run.error_examples()

    def log(self) -> tuple[list[str], int]:
        """See `Engine.log`."""
        return self._run.log()

    def in_flight(self) -> int:
        """See `Engine.in_flight`."""
        return self._run.in_flight()

    def report(self) -> list[WorkerReport]:
        """See `Engine.report`."""
        return [self._tally.report()]

    def notes(self) -> list[str]:
        """See `Engine.notes`."""
        return list(self._notes)


class Tally:
    """Adds up what one process cost, from the slices it gave."""

    def __init__(self, *, number: int, threads: int) -> None:
        self.number = number
        self.threads = threads
        self._cpu_s = 0.0
        self._memory_max_bytes = 0.0
        self._lag = Histogram()

    def add(self, slices: Sequence[RawSlice]) -> None:
        """Take one second into account."""
        for name, _, _, _, value in slices:
            if isinstance(value, Histogram):
                if name == "load.lag":
                    self._lag.merge(value)
            elif name == "generator.process_cpu_seconds":
                self._cpu_s += value
            elif name == "generator.memory":
                self._memory_max_bytes = max(self._memory_max_bytes, value)

    def report(self, *, lost: str | None = None) -> WorkerReport:
        """Return the sums."""
        lag_ns = self._lag.quantile(0.99)
        return WorkerReport(
            number=self.number,
            threads=self.threads,
            cpu_s=round(self._cpu_s, 3),
            memory_max_bytes=round(self._memory_max_bytes),
            lag_p99_ms=None if lag_ns is None else round(lag_ns / 1e6, 6),
            lost=lost,
        )
