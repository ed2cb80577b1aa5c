"""What a loaded Locust file holds: its users, its shape, and what must be said about it before it runs."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TypeVar

from scaleworthy.load.scenarios.declare import Declared
from scaleworthy.load.scenarios.locust.environment import Environment
from scaleworthy.load.scenarios.locust.events import Events
from scaleworthy.load.scenarios.locust.running import declared_by
from scaleworthy.load.scenarios.locust.shape import LoadTestShape
from scaleworthy.load.scenarios.locust.users import User

_BLOCKING = (
    "aiohttp",
    "grpc",
    "httpx",
    "psycopg",
    "psycopg2",
    "pymongo",
    "redis",
    "requests",
    "urllib3",
    "websocket",
    "websockets",
)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class LocustFile:
    """A Locust file that was loaded.

    Attributes:
        declared: What the driver runs.
        hosts: Where its users' requests go, each once, in the order of the file.
        shape: Its LoadTestShape, if it has one.
        has_fixed_count: Some class says how many of its users there are.
        notes: What runs differently from what the file may suggest, each with its line.
    """

    declared: Declared
    hosts: tuple[str, ...]
    shape: type[LoadTestShape] | None
    has_fixed_count: bool
    notes: tuple[str, ...]


def locust_file(path: Path, module: ModuleType, events: Events) -> LocustFile:
    """Return what *module*, loaded from *path*, declares; its problems are in `declared.problems`."""
    classes = [one for one in _classes(module, User) if not vars(one).get("abstract")]
    shapes = [one for one in _classes(module, LoadTestShape) if not vars(one).get("abstract")]
    problems = [
        f"{line_of(one)}: {one.__name__} has no tasks; put @task before one of its methods"
        for one in classes
        if not one.tasks
    ]
    problems += [
        f"{line_of(one)}: the weight of {one.__name__} must be a number from 0 on, got {one.weight!r}"
        for one in classes
        if not isinstance(one.weight, int | float) or one.weight < 0
    ]
    if not classes:
        problems.append("1: declares no user class; derive one from HttpUser or FastHttpUser")
    if len(shapes) > 1:
        problems.append(f"{line_of(shapes[1])}: a file has one LoadTestShape, and {shapes[1].__name__} is another")
    name = classes[0].__name__ if len(classes) == 1 else path.stem
    found = declared_by(Environment(events, classes), classes, name)
    return LocustFile(
        declared=Declared(
            found.scenarios, found.setup, found.teardown, on_stop=found.on_stop, problems=tuple(problems)
        ),
        hosts=tuple(dict.fromkeys(str(one.host).rstrip("/") for one in classes if one.host)),
        shape=shapes[0] if shapes else None,
        has_fixed_count=any(one.fixed_count for one in classes),
        notes=tuple(f"{path.name}:{text}" for text in (*_import_notes(path), *_event_notes(events))),
    )


def line_of(declared: type) -> int:
    """Return the line on which a class is declared; 1 where that is not known."""
    try:
        return inspect.getsourcelines(declared)[1]
    except (OSError, TypeError):
        return 1


def _classes(module: ModuleType, base: type[T]) -> list[type[T]]:
    found = [
        one for one in vars(module).values() if isinstance(one, type) and issubclass(one, base) and one is not base
    ]
    return [one for one in dict.fromkeys(found) if not one.__module__.startswith("scaleworthy.")]


def _event_notes(events: Events) -> Iterator[str]:
    for name in events.never_called():
        yield f"1: events.{name} is never fired here; its listener is not called"


def _import_notes(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_bytes())):
        if not isinstance(node, ast.Import | ast.ImportFrom):
            continue
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or ""]
        for name in dict.fromkeys(name.partition(".")[0] for name in names):
            if name in _BLOCKING:
                yield (
                    f"{node.lineno}: {name} is not made cooperative as Locust does: while one user waits in it, all of"
                    " that process wait; self.client does not have this, and events.request.fire() records what you time"
                )
