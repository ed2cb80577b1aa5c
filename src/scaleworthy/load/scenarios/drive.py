"""Run users' coroutines on an event loop until the engine says that the run is over.

The engine (a thread of its own, without the GIL) plans iterations and tells of them through the line; here each user is one task
that runs its iterations one after the other. uvloop is the event loop where it is installed.
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable, Mapping
from typing import Any

from scaleworthy._native import Life, Run, ScriptLine
from scaleworthy.load.scenarios.errors import ExpectationFailed, RequestFailed, StopRun
from scaleworthy.load.scenarios.expect import look_closely
from scaleworthy.load.scenarios.loading import Loaded
from scaleworthy.load.scenarios.tracebacks import in_a_line, own_traceback
from scaleworthy.load.scenarios.user import User
from scaleworthy.load.scenarios.watch import Watch
from scaleworthy.load.scenarios.world import World

END_WITHIN_S = 2.0
"""How long users whose run was cut may take to notice it."""
HOPELESS_AFTER = 20
"""So many iterations that all raised, from the first on, and the run is stopped."""
_GC_THRESHOLD = 20_000


class ScenarioBroken(Exception):
    """Every iteration raised, from the first on: the text is the traceback of the first."""


def drive(run: Run, loaded: Loaded, plan: Mapping[str, Any]) -> list[str]:
    """Carry out the scenarios of *loaded* until *run*, which was started or will be, is over.

    Args:
        plan: What users need to know of it: `target` (URL), `seed`, `data` (what `@setup` returned).

    Returns:
        What a reader of the numbers must know, in sentences.

    Raises:
        ScenarioBroken: No iteration got through.
    """
    line = run.script()
    if line is None:
        raise ValueError("the run has no Python scenario")
    world = World(
        line,
        target_url=plan["target"],
        origins=plan.get("origins", ()),
        seed=plan["seed"],
        data=plan.get("data"),
        feeders=loaded.feeders,
    )
    gc.collect()
    gc.freeze()
    gc.set_threshold(_GC_THRESHOLD)
    with loaded.around(), asyncio.Runner(loop_factory=_loop_factory()) as runner:
        driver = Driver(run, line, loaded, world)
        return runner.run(driver.until_over())


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop


class Driver:
    """The users of one process."""

    def __init__(self, run: Run, line: ScriptLine, loaded: Loaded, world: World) -> None:
        self._run = run
        self._line = line
        self._declared = loaded.declared
        self._functions = [scenario.function for scenario in loaded.declared.scenarios]
        self._world = world
        self._tasks: set[asyncio.Task[None]] = set()
        self._over = asyncio.Event()
        self._raised = 0
        self._first_traceback: str | None = None
        self._broken = False

    async def until_over(self) -> list[str]:
        """Serve the line until the engine has ended and every user is gone."""
        loop = asyncio.get_running_loop()
        self._line.attach(
            event_loop=loop,
            begin=self._arrive,
            over=self._over.set,
            cookies=User.keep_cookies,
            failure=RequestFailed,
            expect=look_closely,
        )
        watch = Watch(loop, self._world)
        loop.add_reader(self._line.fd, self._line.on_ready)
        try:
            with watch:
                await self._over.wait()
                await self._dismiss()
        finally:
            loop.remove_reader(self._line.fd)
        if self._broken:
            raise ScenarioBroken(self._first_traceback or "")
        return [*watch.notes(), *self._notes()]

    def _arrive(self, number_of_user: int, number: int, scenario: int, late_ns: int) -> None:
        user = User(line=self._line, user=number_of_user, number=number, late_ns=late_ns)
        user.settle_in(self._world)
        self._line.add_user(user)
        life = Life(
            line=self._line,
            user=user,
            scenario=scenario,
            functions=self._functions,
            on_start=self._declared.on_start,
            on_stop=self._declared.on_stop,
            ended_by=self._ended_by,
        )
        task = asyncio.get_running_loop().create_task(life)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _ended_by(self, error: BaseException, scenario: int) -> bool:
        """Take in what ended an iteration; return whether the user should wait a little before it goes on."""
        match error:
            case RequestFailed():
                return True
            case ExpectationFailed():
                self._line.got_through = True
                return False
            case asyncio.CancelledError():
                return False  # the run is ending, or the scenario has cancelled itself
            case StopRun():
                self._stopped_by = str(error)
                self._run.stop()
                return True
            case Exception():
                self._count(error, scenario)
                return True
        raise error

    def _count(self, error: Exception, scenario: int) -> None:
        self._raised += 1
        self._line.fail(self._world.step(self._declared.scenarios[scenario].name), "script", in_a_line(error))
        if self._first_traceback is None:
            self._first_traceback = own_traceback(error)
        if not self._line.got_through and self._raised >= HOPELESS_AFTER and not self._broken:
            self._broken = True
            self._run.abort()

    _stopped_by: str | None = None

    async def _dismiss(self) -> None:
        """The engine has ended: whoever is still inside a scenario is cancelled."""
        left = list(self._tasks)
        if not left:
            return
        for task in left:
            task.cancel()
        await asyncio.wait(left, timeout=END_WITHIN_S)

    def _notes(self) -> list[str]:
        notes: list[str] = []
        forgotten, _ = self._line.forgotten
        if forgotten:
            notes.append(
                f"{forgotten:,} requests were sent and never awaited: write 'await user.get(…)' to wait for the answer"
            )
        if self._stopped_by is not None:
            notes.append(f"the run was stopped: {self._stopped_by}")
        if self._tasks:
            notes.append(f"{len(self._tasks):,} users did not end within {END_WITHIN_S:g} s of the run's end")
        leaked = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        leaked = [task for task in leaked if task not in self._tasks]
        if leaked:
            names = sorted({getattr(task.get_coro(), "__qualname__", "?") for task in leaked})
            notes.append(
                f"{len(leaked):,} task{' was' if len(leaked) == 1 else 's were'} started and left running: {', '.join(names[:5])}"
            )
        return notes
