"""The coordinator of several worker processes: an `Engine` whose seconds are theirs, merged.

Start: every worker is started and given its share of the plan; when all are ready, all get the same moment to begin at, on the
clock that the processes of a machine share. Each second is given out as soon as every worker has told it. A worker that is some
seconds late is not waited for; what it tells later is counted later, and a note says so. A worker that ends, or says nothing for
half a minute, is lost: the others finish what is under way, what was measured is kept, and the run says whose share is missing.
"""

from __future__ import annotations

import json
import os
import selectors
import sys
import time
import weakref
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from scaleworthy._native import now_ns
from scaleworthy.errors import GeneratorError
from scaleworthy.load.engine import EngineTick, WorkerReport
from scaleworthy.load.fleet.gather import LATE_AFTER_S, LOST_AFTER_S, Gathering
from scaleworthy.load.fleet.member import Member
from scaleworthy.load.fleet.scripts import Scripts
from scaleworthy.load.fleet.wire import Message

READY_WITHIN_S = 60.0
END_WITHIN_S = 5.0
AHEAD_NS = 20_000_000
"""From a command to what it commands: time for every worker to hear of it."""
SCRIPT_AHEAD_NS = 200_000_000
"""From the start of workers with Python scenarios to the first of them: time to have an event loop there."""


class Fleet:
    """Worker processes that carry one plan out together; see `Engine` for what may be asked of it."""

    def __init__(
        self,
        plan: Mapping[str, Any],
        *,
        workers: int,
        threads: int | None = None,
        python: Mapping[str, Any] | None = None,
        names: Mapping[str, Any] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Start the processes and wait until all are ready; nothing is sent to the target yet.

        Args:
            plan: The native plan (ARCHITECTURE.md, The plan that crosses the border).
            workers: Processes.
            threads: Engine threads over all of them; one each where it is None.
            python: What the workers must know of Python scenarios; their `@setup` is run before this returns.
            names: By which rules workers look up origins that the plan does not name (`newcomers.Rules.to_order`); loopback alone
                without.

        Raises:
            GeneratorError: A worker cannot be started, or is not ready within a minute.
        """
        self.threads = threads if threads is not None else workers
        self._clock = clock
        self._members: list[Member] = []
        self._log: list[str] = []
        self._selector = selectors.DefaultSelector()
        self._gathering = Gathering(self._members)
        self._notes: list[str] = []
        self._lost: dict[int, str] = {}
        self.finished = False
        self._scripts = Scripts(python, self._members, clock=clock) if python is not None else None
        # Nothing is left running when the run is forgotten, or the interpreter ends.
        self._end = weakref.finalize(self, _end_all, self._members, self._selector, self._scripts)
        try:
            self._launch(plan, workers, {"python": python, "names": dict(names or {})})
            self._wait_until_ready()
            if self._scripts is not None:
                self._scripts.set_up()
        except BaseException:
            self._end()
            raise

    def _launch(self, plan: Mapping[str, Any], workers: int, rest: Mapping[str, Any]) -> None:
        for number in range(workers):
            threads = self.threads // workers + (number < self.threads % workers)
            try:
                member = Member(number, threads, now_s=self._clock())
            except OSError as error:
                raise GeneratorError(
                    f"worker process {number + 1} of {workers} cannot be started: {error.strerror or error}",
                    hint="ask for fewer with --workers",
                ) from error
            self._members.append(member)
            self._selector.register(member.fd, selectors.EVENT_READ, member)
        first = 0
        for member in self._members:
            share = {"first": first, "of": self.threads}
            plan_json = json.dumps({**plan, "threads": member.threads, "share": share})
            member.order(
                {"number": member.number, "parent": os.getpid(), "path": sys.path, "plan_json": plan_json, **rest}
            )
            first += member.threads

    def _wait_until_ready(self) -> None:
        until_s = self._clock() + READY_WITHIN_S
        while waited_for := [member for member in self._members if not member.ready]:
            left_s = until_s - self._clock()
            if left_s <= 0:
                raise GeneratorError(
                    f"{_names(waited_for)} not ready within {READY_WITHIN_S:g} s",
                    hint="is the machine out of CPU or memory? Ask for fewer with --workers",
                )
            self._listen(left_s)
            for member in self._members:
                if member.failed is not None:
                    raise GeneratorError(f"{_name(member)} could not begin: it {member.failed}")

    @property
    def workers(self) -> int:
        """How many processes there are."""
        return len(self._members)

    def start(self) -> None:
        """See `Engine.start`."""
        for member in self._members:
            member.heard_at_s = self._clock()
        ahead_ns = AHEAD_NS if self._scripts is None else SCRIPT_AHEAD_NS
        origin_ns = now_ns() + ahead_ns
        origin_unix_ns = time.time_ns() + ahead_ns
        self._tell({"start": {"origin_ns": origin_ns, "origin_unix_ns": origin_unix_ns}})

    def next_tick(self, *, timeout_s: float) -> EngineTick | None:
        """See `Engine.next_tick`."""
        until_s = self._clock() + timeout_s
        # Whoever asks may have been away for long: what the workers said meanwhile is in their pipes, and they are not late.
        self._listen(0)
        while not self.finished:
            now_s = self._clock()
            self._see_who_is_lost(now_s)
            tick = self._gathering.next(now_s)
            self._note_who_is_late()
            if self._gathering.finished:
                self._finish()
            if tick is not None:
                return tick
            if now_s >= until_s or self.finished:
                break
            self._listen(until_s - now_s)
        return None

    def _listen(self, timeout_s: float) -> None:
        for key, _ in self._selector.select(timeout_s):
            member: Member = key.data
            member.listen(self._clock())
            if member.gone:
                self._selector.unregister(member.fd)

    def _see_who_is_lost(self, now_s: float) -> None:
        for number in self._gathering.silent(now_s):
            member = self._members[number]
            member.failed = f"said nothing for {LOST_AFTER_S:g} s and was ended"
            member.kill()
        for member in self._members:
            if member.failed is not None and not member.over and member.number not in self._lost:
                self._lost[member.number] = member.failed
                share = f"{member.threads} of {self.threads} parts of the load"
                self.note(f"{_name(member)} {member.failed}: {share} are missing from then on, and the run was ended")
                self.stop()

    def _note_who_is_late(self) -> None:
        for number in self._gathering.came_late:
            late = f"was more than {LATE_AFTER_S:g} s late with its seconds; what it told later is counted later"
            self.note(f"{_name(self._members[number])} {late}")

    def note(self, text: str) -> None:
        """See `Engine.note`."""
        if text not in self._notes:
            self._notes.append(text)

    def _finish(self) -> None:
        self.finished = True
        try:
            if self._scripts is not None:
                self._notes += self._scripts.take_down()
        finally:
            self._end()

    def _tell(self, command: Message) -> None:
        for member in self._members:
            member.tell(command)

    def set_level(self, *, per_s_or_users: float) -> None:
        """See `Engine.set_level`; all workers change at the same moment, 20 ms from now."""
        if not 0 <= per_s_or_users <= 1e9:
            raise ValueError(f"a level must be 0 to 1e9, got {per_s_or_users}")
        self._tell({"level": per_s_or_users, "at_ns": now_ns() + AHEAD_NS})

    def pause(self) -> None:
        """See `Engine.pause`."""
        self._tell({"pause": now_ns() + AHEAD_NS})

    def resume(self) -> None:
        """See `Engine.resume`."""
        self._tell({"resume": now_ns() + AHEAD_NS})

    def stop(self) -> None:
        """See `Engine.stop`."""
        self._tell({"stop": True})

    def abort(self) -> None:
        """See `Engine.abort`."""
        self._tell({"abort": True})

    def set_addresses(self, *, origin: int, addresses: Sequence[str], took_ns: int | None) -> None:
        """See `Engine.set_addresses`."""
        self._tell({"addresses": {"origin": origin, "addresses": list(addresses), "took_ns": took_ns}})

    def refuse_addresses(self, *, origin: int, why: str, took_ns: int | None) -> None:
        """See `Engine.refuse_addresses`."""
        self._tell({"no_addresses": {"origin": origin, "why": why, "took_ns": took_ns}})

    def log(self) -> tuple[list[str], int]:
        """See `Engine.log`."""
        for member in self._members:
            self._log += member.log_lines[member.log_taken :]
            member.log_taken = len(member.log_lines)
        return self._log, sum(member.log_count for member in self._members)

    def error_examples(self) -> dict[str, str]:
        """See `Engine.error_examples`; of two workers' examples of a kind, the first worker's."""
        examples: dict[str, str] = {}
        for member in reversed(self._members):
            examples |= member.examples
        return examples

    def in_flight(self) -> int:
        """See `Engine.in_flight`; as of the last second that each worker has told."""
        return sum(member.in_flight for member in self._members)

    def report(self) -> list[WorkerReport]:
        """See `Engine.report`."""
        return [member.tally.report(lost=self._lost.get(member.number)) for member in self._members]

    def notes(self) -> list[str]:
        """See `Engine.notes`."""
        return list(self._notes)


def _name(member: Member) -> str:
    return f"worker {member.number} (process {member.pid})"


def _names(members: Sequence[Member]) -> str:
    named = ", ".join(_name(member) for member in members)
    return f"{named} {'is' if len(members) == 1 else 'are'}"


def _end_all(members: Sequence[Member], selector: selectors.BaseSelector, scripts: Scripts | None) -> None:
    """End every worker, however the run came to its end; what was set up is torn down first."""
    for member in members:
        member.tell({"abort": True})
    if scripts is not None:
        scripts.tear_down()
    for member in members:
        member.end(END_WITHIN_S)
    selector.close()
