"""What `import locust`, `import gevent` and `import time` find while a Locust file is loaded and run."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterator
from types import ModuleType
from typing import Any

from greenlet import GreenletExit

from scaleworthy.load.scenarios.locust import (
    environment,
    events,
    exceptions,
    greenlets,
    response,
    session,
    shape,
    tasks,
    users,
    waiting,
)

GUIDE = "docs/guide/from-locust.md"
_ABSENT: dict[str, str] = {
    "MarkovTaskSet": "use a TaskSet whose get_next_task() chooses",
    "transition": "use a TaskSet whose get_next_task() chooses",
    "transitions": "use a TaskSet whose get_next_task() chooses",
}


class ShimModule(ModuleType):
    """A module of names of ours; any other name is refused with what to do."""

    def __init__(self, name: str, names: dict[str, Any]) -> None:
        super().__init__(name)
        vars(self).update(names)
        self.__path__: list[str] = []

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        hint = _ABSENT.get(name, f"{GUIDE} says what runs")
        raise ImportError(f"{self.__name__}.{name} is not there when a Locust file is run by scaleworthy: {hint}")


def shim_modules(told: events.Events) -> dict[str, ModuleType]:
    """Return the modules by name; *told* is what the file's listeners are added to."""
    waits = _named(waiting, "between", "constant", "constant_pacing", "constant_throughput", "poisson")
    raised = {name: value for name, value in vars(exceptions).items() if isinstance(value, type)}
    sets = _named(tasks, "SequentialTaskSet", "TaskSet", "tag", "task")
    kinds = _named(users, "FastHttpUser", "HttpUser", "User")
    client = {"HttpSession": session.HttpSession, "ResponseContextManager": response.Response}
    fast = {
        "FastHttpUser": users.FastHttpUser,
        "FastHttpSession": session.HttpSession,
        "FastResponse": response.Response,
        "ResponseContextManager": response.Response,
        "RestResponseContextManager": response.Response,
    }
    hooks = {"EventHook": events.EventHook, "Events": events.Events}
    runners = {name: getattr(environment, name) for name in ("Runner", "LocalRunner", "MasterRunner", "WorkerRunner")}
    states = ("spawning", "running", "cleanup", "stopping", "stopped", "missing")
    parts: dict[str, dict[str, Any]] = {
        "locust": {
            **waits, **sets, **kinds, "events": told, "LoadTestShape": shape.LoadTestShape, "__version__": "2.0",
            "run_single_user": _not_alone,
        },
        "locust.exception": raised,
        "locust.contrib": {},
        "locust.contrib.fasthttp": fast,
        "locust.clients": client,
        "locust.env": {"Environment": environment.Environment},
        "locust.event": hooks,
        "locust.runners": {**runners, "STATE_INIT": "ready", **{f"STATE_{name.upper()}": name for name in states}},
        "locust.shape": {"LoadTestShape": shape.LoadTestShape},
        "locust.user": {**kinds, **sets, "wait_time": waiting},
        "locust.user.task": {**sets, **raised},
        "locust.user.users": kinds,
        "locust.user.sequential_taskset": sets,
        "locust.user.wait_time": waits,
        "locust.wait_time": waits,
        "gevent": {"sleep": greenlets.sleep, "GreenletExit": GreenletExit},
    }  # fmt: skip
    made: dict[str, ModuleType] = {name: ShimModule(name, names) for name, names in parts.items()}
    for name, module in made.items():
        parent, _, own = name.rpartition(".")
        if parent:
            setattr(made[parent], own, module)
    made["time"] = _cooperative_time()
    return made


@contextlib.contextmanager
def installed(modules: dict[str, ModuleType]) -> Iterator[None]:
    """Let imports find *modules* inside the block, in place of what is installed under their names."""
    tops = {name for name in modules if "." not in name} - {"time"}
    hidden = {name: module for name, module in sys.modules.items() if name.partition(".")[0] in tops or name in modules}
    for name in hidden:
        del sys.modules[name]
    sys.modules.update(modules)
    try:
        yield
    finally:
        for name in [name for name in sys.modules if name.partition(".")[0] in tops or name in modules]:
            del sys.modules[name]
        sys.modules.update(hidden)


def _cooperative_time() -> ModuleType:
    module = ModuleType("time", time.__doc__)
    vars(module).update({name: value for name, value in vars(time).items() if not name.startswith("__")})
    vars(module)["sleep"] = greenlets.sleep
    return module


def _named(module: ModuleType, *names: str) -> dict[str, Any]:
    return {name: getattr(module, name) for name in names}


def _not_alone(*_: Any, **__: Any) -> None:
    raise RuntimeError("run_single_user() is Locust's; run the file: scaleworthy load FILE --users 1 --count 1")
