"""How a Python file says what its users do: decorators that only take notes.

    @scenario(weight=70)
    async def call(user: User) -> None: ...

`declared(module)` collects the notes of a module that was loaded. Nothing happens at import.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any, Literal, TypeVar, overload

from scaleworthy.load.scenarios.user import User

ScenarioFunction = Callable[[User], Awaitable[Any]]
F = TypeVar("F", bound=Callable[..., Any])
Role = Literal["scenario", "setup", "teardown", "on_start", "on_stop"]
_NOTE = "__scaleworthy__"


@dataclass(frozen=True, slots=True)
class Note:
    """What a decorator was told about a function."""

    role: Role
    name: str = ""
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class Scenario:
    """One scenario of a module."""

    name: str
    weight: float
    function: ScenarioFunction


@dataclass(frozen=True, slots=True)
class Declared:
    """All that a module declares.

    Attributes:
        scenarios: In the order in which they stand in the file.
        setup: Run once for the whole run, before it; what it returns is every user's `data`.
        teardown: Run once for the whole run, after it.
        on_start: Run by each user before its first iteration.
        on_stop: Run by each user after its last.
    """

    scenarios: tuple[Scenario, ...]
    setup: Callable[..., Any] | None = None
    teardown: Callable[..., Any] | None = None
    on_start: ScenarioFunction | None = None
    on_stop: ScenarioFunction | None = None
    problems: tuple[str, ...] = field(default=())


@overload
def scenario(function: F, /) -> F: ...
@overload
def scenario(*, weight: float = 1.0, name: str | None = None) -> Callable[[F], F]: ...
def scenario(function: F | None = None, /, *, weight: float = 1.0, name: str | None = None) -> F | Callable[[F], F]:
    """Declare an `async def` of one user as a scenario; users choose among a file's scenarios by *weight*."""

    def declare(declared_function: F) -> F:
        setattr(declared_function, _NOTE, Note("scenario", name or declared_function.__name__, weight))
        return declared_function

    return declare if function is None else declare(function)


def setup(function: F) -> F:
    """Run this once for the whole run, before its first user; what it returns (as JSON) is `user.data` in every worker."""
    setattr(function, _NOTE, Note("setup"))
    return function


def teardown(function: F) -> F:
    """Run this once for the whole run, after its last user; it may take what `setup` returned."""
    setattr(function, _NOTE, Note("teardown"))
    return function


def on_start(function: F) -> F:
    """Let each user run this before its first iteration."""
    setattr(function, _NOTE, Note("on_start"))
    return function


def on_stop(function: F) -> F:
    """Let each user run this after its last iteration; its requests are sent also while the run is ending."""
    setattr(function, _NOTE, Note("on_stop"))
    return function


def declared(module: ModuleType) -> Declared:
    """Return what *module* declares, with all that is wrong about it as `line: text`."""
    found: dict[Role, list[tuple[Note, Callable[..., Any]]]] = {}
    for function in vars(module).values():
        note = getattr(function, _NOTE, None)
        if isinstance(note, Note) and (note, function) not in found.get(note.role, []):
            found.setdefault(note.role, []).append((note, function))
    problems = _problems(found)
    one = {role: functions[0][1] for role, functions in found.items() if role != "scenario"}
    return Declared(
        scenarios=tuple(Scenario(note.name, note.weight, function) for note, function in found.get("scenario", [])),
        setup=one.get("setup"),
        teardown=one.get("teardown"),
        on_start=one.get("on_start"),
        on_stop=one.get("on_stop"),
        problems=tuple(problems),
    )


def _problems(found: Mapping[Role, list[tuple[Note, Callable[..., Any]]]]) -> list[str]:
    problems: list[tuple[int, str]] = []
    names: set[str] = set()
    for role, functions in found.items():
        for at, (note, function) in enumerate(functions):
            line = function.__code__.co_firstlineno
            own = f"{function.__name__}()"
            if role not in ("setup", "teardown") and not inspect.iscoroutinefunction(function):
                problems.append((line, f"{own} must be 'async def': it is a user that waits for answers"))
            if role == "scenario":
                if not (note.weight > 0 and note.weight < 1e9):
                    problems.append((line, f"the weight of {own} must be above 0, got {note.weight!r}"))
                if note.name in names:
                    problems.append((line, f"two scenarios are named {note.name!r}; results are kept by name"))
                names.add(note.name)
                if not _takes(function, 1):
                    problems.append((line, f"{own} must take one argument, the user"))
            elif at:
                problems.append((line, f"a file has one @{role}, and {own} is another"))
    return [f"{line}: {text}" for line, text in sorted(problems)]


def _takes(function: Callable[..., Any], count: int) -> bool:
    try:
        inspect.signature(function).bind(*[None] * count)
    except TypeError:
        return False
    return True
