"""Tasks and task sets: what a user does next."""

from __future__ import annotations

import logging
import random
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import cycle
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from greenlet import GreenletExit

from scaleworthy.load.scenarios.locust.exceptions import (
    InterruptTaskSet,
    LocustError,
    RescheduleTask,
    RescheduleTaskImmediately,
    StopTest,
    StopUser,
)
from scaleworthy.load.scenarios.locust.greenlets import Over, sleep, wait_for

if TYPE_CHECKING:
    from scaleworthy.load.scenarios.locust.users import User

T = TypeVar("T")
logger = logging.getLogger("locust")
_WEIGHT = "locust_task_weight"
_TAGS = "locust_tag_set"


def task(weight: Any = 1) -> Any:
    """Mark a function, or a nested task set, as a task: `@task` or `@task(3)`."""
    if isinstance(weight, int):
        return lambda marked: task_of(marked, weight)
    return task_of(weight, 1)


def task_of(marked: T, weight: int) -> T:
    """Mark *marked* as a task of this weight."""
    setattr(marked, _WEIGHT, weight)
    return marked


def tag(*tags: str) -> Callable[[T], T]:
    """Note tags of a task. All tasks are run here, whatever their tags."""
    if not tags or callable(tags[0]):
        raise ValueError("tag() takes names, such as @tag('slow')")

    def note(marked: T) -> T:
        setattr(marked, _TAGS, {*getattr(marked, _TAGS, ()), *tags})
        return marked

    return note


def tasks_of(bases: Iterable[type], body: Mapping[str, Any]) -> list[Any]:
    """Return a class's tasks, each as often as its weight says: its bases' first, then its own in the order of the file."""
    found = [one for base in bases for one in getattr(base, "tasks", None) or ()]
    for name, value in body.items():
        if name == "tasks":
            pairs = value.items() if isinstance(value, Mapping) else value or ()
            for one in pairs:
                found += [one[0]] * one[1] if isinstance(one, tuple) else [one]
        elif _WEIGHT in dir(value):
            found += [value] * getattr(value, _WEIGHT)
    return found


class TaskSetMeta(type):
    """Collects the tasks of a class."""

    def __new__(cls, name: str, bases: tuple[type, ...], body: dict[str, Any]) -> TaskSetMeta:
        """Make the class, with `tasks` as a list."""
        return super().__new__(cls, name, bases, {**body, "tasks": tasks_of(bases, body)})


class TaskSet(metaclass=TaskSetMeta):
    """A set of tasks that a user carries out at random until it is interrupted."""

    tasks: Any = ()

    def __init__(self, parent: Any) -> None:
        self._parent = parent
        self._user: User = parent.user if isinstance(parent, TaskSet) else parent
        self._queue: deque[Any] = deque()
        self._paced_from_s = time.perf_counter()

    @property
    def user(self) -> User:
        """The user that is inside."""
        return self._user

    @property
    def parent(self) -> Any:
        """The task set around this one, or the user."""
        return self._parent

    @property
    def client(self) -> Any:
        """The user's client."""
        return self._user.client

    def on_start(self) -> None:
        """Called when a user comes in."""

    def on_stop(self) -> None:
        """Called when a user leaves."""

    def wait_time(self) -> float:
        """Return seconds to wait after a task: the user's."""
        seconds: float = self._user.wait_time()
        return seconds

    def get_next_task(self) -> Any:
        """Return a task at random, by weight."""
        return _drawn(_some(self.tasks, self))

    def schedule_task(self, task_callable: Any, first: bool = False) -> None:
        """Let a task come next (*first*), or after those that are scheduled."""
        (self._queue.appendleft if first else self._queue.append)(task_callable)

    def execute_task(self, chosen: Any) -> None:
        """Run a task: a function, a method of this set, or a nested set."""
        _execute(chosen, self)

    def interrupt(self, reschedule: bool = True) -> NoReturn:
        """Leave this set."""
        raise InterruptTaskSet(reschedule)

    def wait(self) -> None:
        """Wait for the wait time."""
        seconds = self.wait_time()
        if seconds > 0:
            sleep(seconds)

    def run(self) -> NoReturn:
        """Carry out tasks until this set, or the user, is left."""
        try:
            self.on_start()
            while True:
                self._one_task()
        except InterruptTaskSet as interrupt:
            self._leave()
            raise (RescheduleTaskImmediately if interrupt.reschedule else RescheduleTask)() from interrupt
        except (StopUser, StopTest, GreenletExit):
            self._leave()
            raise

    def _one_task(self) -> None:
        """Run a task and wait: one iteration."""
        failure: Exception | None = None
        try:
            if not self._queue:
                self._queue.append(self.get_next_task())
            self.execute_task(self._queue.popleft())
        except RescheduleTaskImmediately:
            sleep(0)  # a task that does nothing but this must not keep all other users waiting
            return
        except RescheduleTask:
            pass
        except (InterruptTaskSet, StopUser, StopTest):
            raise
        except Exception as error:  # noqa: BLE001 - counted, and the user goes on, as in Locust
            failure = error
            self._user.environment.events.user_error.fire(
                user_instance=self._user, exception=error, tb=error.__traceback__
            )
        self.wait()
        wait_for(Over(failure))

    def _leave(self) -> None:
        try:
            self.on_stop()
        except (StopUser, StopTest, InterruptTaskSet):
            pass
        except Exception:
            logger.exception("%s.on_stop raised", type(self).__qualname__)


class SequentialTaskSet(TaskSet):
    """A set of tasks that a user carries out in the order of the file, again and again."""

    def __init__(self, parent: Any) -> None:
        super().__init__(parent)
        self._in_turn = cycle(_some(self.tasks, self))

    def get_next_task(self) -> Any:
        """Return the task whose turn it is."""
        return next(self._in_turn)


class RootTaskSet(TaskSet):
    """The tasks of a user class itself; they are given the user."""

    def get_next_task(self) -> Any:
        """Return one of the user's tasks, by weight."""
        return _drawn(_some(self._user.tasks, self._user))

    def execute_task(self, chosen: Any) -> None:
        """Run a task of the user, or a set."""
        _execute(chosen, self._user)


def _execute(chosen: Any, owner: Any) -> None:
    if getattr(chosen, "__self__", None) is owner:
        chosen()
    elif isinstance(chosen, type) and issubclass(chosen, TaskSet):
        chosen(owner).run()
    else:
        chosen(owner)


def _drawn(tasks: Sequence[Any]) -> Any:
    return tasks[0] if len(tasks) == 1 else random.choice(tasks)


def _some(tasks: Sequence[Any], owner: Any) -> Sequence[Any]:
    if not tasks:
        raise LocustError(f"{type(owner).__name__} has no tasks; put @task before one of its methods")
    return tasks
