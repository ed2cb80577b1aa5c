"""A worker process of a fleet: `python -m scaleworthy.load.worker`, started by `load/fleet` and by nothing else.

It reads its order (one message: the native plan, its number) from standard input, compiles the plan, says that it is ready, and
waits for the common start. From then on seconds go out through what was its standard output, and commands come in through
standard input. Whatever the plan's own code prints goes to standard error, so that it cannot spoil a frame.

It does not outlive the process that started it: the end of standard input, or that process's end (a pidfd tells), aborts the run.
SIGINT is the coordinator's to handle.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import select
import signal
import sys
import threading
import time
from typing import NoReturn

from scaleworthy._native import Run
from scaleworthy.load.fleet.script_work import ScenarioError, Script, script_of
from scaleworthy.load.fleet.wire import MESSAGE, Frames, Message, SecondWriter, WorkerSecond, message_frame, write_all
from scaleworthy.load.health import Health, open_files_max
from scaleworthy.load.newcomers import Newcomers, Rules

TICK_TIMEOUT_S = 0.25
END_WITHIN_S = 2.0
"""How long an abort may take after the coordinator is gone."""


def main() -> int:
    """Carry out one order; return the exit status."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    inbox, outbox = _private_pipes()
    return Worker(inbox, outbox).serve()


def _private_pipes() -> tuple[int, int]:
    """Move standard input and output out of the way of the plan's own code."""
    inbox, outbox = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    return inbox, outbox


class Worker:
    """One process's part of a run, and its two pipes."""

    def __init__(self, inbox: int, outbox: int) -> None:
        self._inbox = inbox
        self._outbox = outbox
        self._frames = Frames(inbox)
        self._writing = threading.Lock()
        self._jobs: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._exit = threading.Event()
        self._started = False
        self._health = Health(worker=0)
        self._run: Run | None = None
        self._script: Script | None = None

    def serve(self) -> int:
        """Take the order, carry it out, and stay until the coordinator lets go."""
        order = self._order()
        if order is None:
            return 0
        sys.path[:] = order["path"]  # the plan's own code is found as it was found there
        listener = threading.Thread(target=self._listen, args=(order["parent"],), name="commands", daemon=True)
        try:
            open_files_max()
            self._health = Health(worker=order["number"])
            run = self._run = Run(plan_json=order["plan_json"])
            Newcomers(run, Rules(**order["names"])).begin()
            self._script = script_of(order)
            self._say({"ready": {"threads": run.threads, "pid": os.getpid()}})
            listener.start()
            while (job := self._jobs.get()) != "exit":
                self._do(job, run)
        except (ValueError, RuntimeError, OSError, ScenarioError) as error:
            self._fail(str(error))
            return 1
        return 0

    def _do(self, job: str, run: Run) -> None:
        script = self._script
        if job == "setup" and script is not None:
            self._say({"set_up": script.set_up()})
        elif job == "teardown" and script is not None:
            script.tear_down()
            self._say({"torn_down": True})
        elif job == "start" and script is not None:
            pump = threading.Thread(target=self._pump, args=(run,), name="seconds")
            pump.start()
            said = script.drive(run)
            pump.join()
            self._say(said)
        elif job == "start":
            self._pump(run)

    def _pump(self, run: Run) -> None:
        """Hand the run's seconds over until there are no more."""
        writer = SecondWriter()
        examples: dict[str, str] = {}
        logged = 0
        while not run.finished:
            tick = run.next_tick(timeout_s=TICK_TIMEOUT_S)
            if tick is None:
                continue
            found = run.error_examples()
            if found.keys() != examples.keys():
                self._say({"examples": {kind: text for kind, text in found.items() if kind not in examples}})
                examples = found
            lines, count = run.log()
            if count != logged:
                self._say({"log": [lines, count]})
                logged = count
            second = WorkerSecond(tick.second, tick.last, run.in_flight(), [*tick.slices, *self._health.slices()])
            self._put(writer.frames(second))

    def _order(self) -> Message | None:
        """Wait for the first message; None when there is none."""
        while not self._frames.ended:
            for _, body in self._frames.read():
                order: Message = json.loads(body)
                return order
        return None

    def _listen(self, parent: int) -> None:
        """Carry out commands until the coordinator lets go or is gone."""
        poll = select.poll()
        poll.register(self._inbox, select.POLLIN)
        watch = _pidfd(parent)
        if watch is not None:
            poll.register(watch, select.POLLIN)
        while not self._frames.ended and not self._exit.is_set():
            ready = [fd for fd, _ in poll.poll()]
            if watch in ready and self._inbox not in ready:
                break
            for kind, body in self._frames.read():
                if kind == MESSAGE:
                    self._obey_or_fail(json.loads(body))
        if not self._exit.is_set():
            self._leave()

    def _obey_or_fail(self, command: Message) -> None:
        try:
            self._obey(command)
        except (ValueError, RuntimeError) as error:
            self._fail(str(error))

    def _obey(self, command: Message) -> None:
        run = self._run
        if run is None:
            return
        match command:
            case {"start": times}:
                self._health.begin()
                run.start(**times)
                self._started = True
                self._jobs.put("start")
            case {"setup": _}:
                self._jobs.put("setup")
            case {"teardown": _}:
                self._jobs.put("teardown")
            case {"data": data} if self._script is not None:
                self._script.data = data
            case {"level": level, "at_ns": at_ns}:
                run.set_level(per_s_or_users=level, at_ns=at_ns)
            case {"pause": at_ns}:
                run.pause(at_ns=at_ns)
            case {"resume": at_ns}:
                run.resume(at_ns=at_ns)
            case {"addresses": found}:
                run.set_addresses(**found)
            case {"no_addresses": found}:
                run.refuse_addresses(**found)
            case {"stop": _} if self._started:
                run.stop()
            case {"abort": _} if self._started:
                run.abort()
            case {"exit": _}:
                self._exit.set()
                self._jobs.put("exit")

    def _leave(self) -> NoReturn:
        """The coordinator is gone: nobody wants the results, and nothing may be left running."""
        if self._run is not None and self._started:
            self._run.abort()
        self._jobs.put("exit")
        self._exit.set()
        time.sleep(END_WITHIN_S)
        os._exit(1)

    def _say(self, message: Message) -> None:
        self._put(message_frame(message))

    def _put(self, frames: bytes) -> None:
        with self._writing:
            write_all(self._outbox, frames)

    def _fail(self, text: str) -> None:
        # Where the coordinator is gone as well, nobody is left to read this.
        with contextlib.suppress(OSError):
            self._say({"failed": text})


def _pidfd(pid: int) -> int | None:
    """Return a file that becomes readable when *pid* ends; None where the system has none (the pipe tells as well)."""
    try:
        return os.pidfd_open(pid)
    except (AttributeError, OSError):
        return None


if __name__ == "__main__":
    sys.exit(main())
