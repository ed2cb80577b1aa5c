"""The users of a Locust file as a Python scenario: which class the next user is of, and its iterations."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from typing import Any

from scaleworthy.load.scenarios.declare import Declared, Scenario
from scaleworthy.load.scenarios.errors import StopRun
from scaleworthy.load.scenarios.locust.environment import Environment
from scaleworthy.load.scenarios.locust.exceptions import StopTest, StopUser
from scaleworthy.load.scenarios.locust.greenlets import DAY_S, UserGreenlet, carry
from scaleworthy.load.scenarios.locust.users import User as LocustUser
from scaleworthy.load.scenarios.user import User

_STACK = "locust"


class Cast:
    """Gives each user that comes its class: `fixed_count` first, then so that the weights are kept at every number of users."""

    def __init__(self, classes: Sequence[type[LocustUser]]) -> None:
        self._here: dict[type[LocustUser], int] = dict.fromkeys(classes, 0)

    def come(self) -> type[LocustUser]:
        """Return the class of the user that comes now."""
        wanting = [one for one, here in self._here.items() if here < one.fixed_count]
        chosen = wanting[0] if wanting else self._most_wanting()
        self._here[chosen] += 1
        return chosen

    def go(self, one: type[LocustUser]) -> None:
        """A user of this class has gone."""
        self._here[one] -= 1

    def _most_wanting(self) -> type[LocustUser]:
        weighted = [one for one in self._here if not one.fixed_count and one.weight > 0] or list(self._here)
        return min(weighted, key=lambda one: (self._here[one] + 1) / (one.weight or 1))


class Users:
    """Runs the users of one process."""

    def __init__(self, environment: Environment, classes: Sequence[type[LocustUser]]) -> None:
        self._environment = environment
        self._cast = Cast(classes)

    async def iterate(self, user: User) -> None:
        """One iteration: the next task of this user, and the wait after it; the first begins with `on_start`."""
        stack: UserGreenlet | None = user.state.get(_STACK)
        if stack is None:
            stack = user.state[_STACK] = self._come(user)
        try:
            await carry(stack)
        except StopUser:
            pass
        except StopTest as stop:
            raise StopRun(f"the file raised StopTest: {stop}") from None
        except Exception:
            if stack.dead:
                del user.state[_STACK]  # its on_start raised: it comes again
            raise
        finally:
            self._environment.runner.check()
        if stack.dead:
            await user.rest(round(DAY_S * 1e9))  # it has gone for good, and nobody takes its place

    async def dismiss(self, user: User) -> None:
        """Let a user go: its `on_stop`."""
        stack: UserGreenlet | None = user.state.pop(_STACK, None)
        if stack is not None and not stack.dead:
            with contextlib.suppress(StopUser, StopTest):
                await carry(stack, throw=StopUser())

    def _come(self, user: User) -> UserGreenlet:
        environment = self._environment
        environment.begin(user.world.target_url)
        chosen = self._cast.come()

        def live() -> None:
            environment.runner.user_count += 1
            try:
                chosen(environment).live()
            finally:
                environment.runner.user_count -= 1
                self._cast.go(chosen)

        return UserGreenlet(live, user)


def declared_by(environment: Environment, classes: Sequence[type[LocustUser]], name: str) -> Declared:
    """Return a file's users as what the driver runs."""
    users = Users(environment, classes)
    events = environment.events
    begins: Callable[..., Any] | None = None
    if events.init.listeners or events.test_start.listeners:
        begins = environment.begin
    ends = any(getattr(events, event).listeners for event in ("test_stopping", "test_stop", "quitting", "quit"))
    return Declared(
        scenarios=(Scenario(name, 1.0, users.iterate),),
        setup=begins,
        teardown=environment.end if ends else None,
        on_stop=users.dismiss,
    )
