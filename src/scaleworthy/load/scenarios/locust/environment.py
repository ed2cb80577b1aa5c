"""`environment`: what a file may ask about the run it is in."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from scaleworthy.load.scenarios.errors import StopRun
from scaleworthy.load.scenarios.locust.events import Events
from scaleworthy.load.scenarios.locust.greenlets import current

if TYPE_CHECKING:
    from scaleworthy.load.scenarios.user import User as Asks


class Parser(argparse.ArgumentParser):
    """Takes the options that a file adds; their values are their defaults, or those of their environment variables."""

    def __init__(self) -> None:
        super().__init__(add_help=False, exit_on_error=False)
        self._variables: dict[str, str] = {}

    def add_argument(self, *names: Any, **said: Any) -> argparse.Action:
        """Add an option, as `argparse` does; what only Locust's web page needs is left out."""
        variable = said.pop("env_var", None)
        for own in ("include_in_web_ui", "is_secret", "is_required", "is_multiple"):
            said.pop(own, None)
        action = super().add_argument(*names, **said)
        if variable in os.environ:
            action.default = os.environ[variable]  # text: argparse gives it the type
        return action


class Runner:
    """What files ask of `environment.runner`: how many users there are, and to end the run."""

    def __init__(self, environment: Environment) -> None:
        self.environment = environment
        self.user_count = 0
        self.quit_asked = False

    @property
    def state(self) -> str:
        """Whether the run goes on."""
        return "stopping" if self.quit_asked else "running"

    def quit(self) -> None:
        """End the run when the task that says so is over."""
        self.quit_asked = True

    def stop(self) -> None:
        """End the run, as `quit` does."""
        self.quit()

    def check(self) -> None:
        """Raise StopRun where the end was asked for."""
        if self.quit_asked:
            raise StopRun("the file called environment.runner.quit()")


class LocalRunner(Runner):
    """A run is always this kind of runner's, also where workers share it."""


class MasterRunner(Runner):
    """Never this kind: files ask with isinstance."""


class WorkerRunner(Runner):
    """Never this kind: files ask with isinstance."""


class Environment:
    """One process's share of a run.

    Attributes:
        host: The target's URL.
        parsed_options: Options that the file itself added, and `host`.
        events: What the file listens to.
    """

    process_exit_code: int | None = None
    catch_exceptions = True
    web_ui: Any = None
    shape_class: Any = None
    tags: Any = None
    exclude_tags: Any = None

    def __init__(self, events: Events, user_classes: Iterable[type]) -> None:
        self.events = events
        self.user_classes = list(user_classes)
        self.host: str | None = None
        self.runner = LocalRunner(self)
        self.parsed_options = argparse.Namespace()
        self._begun = False
        self._ended = False

    @property
    def stats(self) -> Any:
        """Refused: a file's own verdict on the figures is an objective here."""
        raise RuntimeError(
            "environment.stats is not there: say what must hold as an objective, such as --objective 'failed < 1%'"
        )

    @property
    def asks(self) -> Asks:
        """The user of the engine that this code runs for."""
        stack = current()
        if stack is None:
            raise RuntimeError("users are made by the run, not by the file")
        return stack.asks

    def host_of(self, user: Any) -> str:
        """Return where a user's requests go: its class's host where the run goes there, else the run's target."""
        world = self.asks.world
        own = type(user).host or user.host
        return str(own) if own and world.declares(own) else world.target_url

    def begin(self, target_url: str | None = None) -> None:
        """Tell the file, once, that the run begins."""
        if self._begun:
            return
        self._begun = True
        self.host = self.host or target_url
        parser = Parser()
        self.events.init_command_line_parser.fire(parser=parser)
        self.parsed_options = parser.parse_args([], argparse.Namespace(host=self.host))
        self.events.init.fire(environment=self, runner=self.runner, web_ui=None)
        self.events.test_start.fire(environment=self)

    def end(self) -> None:
        """Tell the file, once, that the run is over."""
        if self._ended:
            return
        self._ended = True
        self.events.test_stopping.fire(environment=self)
        self.events.test_stop.fire(environment=self)
        self.events.quitting.fire(environment=self, reverse=True)
        self.events.quit.fire(exit_code=self.process_exit_code or 0)
