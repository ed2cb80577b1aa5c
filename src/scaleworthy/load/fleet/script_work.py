"""Python scenarios within a worker process: `@setup`, the users' coroutines, `@teardown`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from scaleworthy.errors import ScaleworthyError

if TYPE_CHECKING:
    from scaleworthy._native import Run
    from scaleworthy.load.fleet.wire import Message


class ScenarioError(ScaleworthyError):
    """A file's own code raised where that ends the run: while it was loaded, in `@setup` or in `@teardown`."""


class Script:
    """The scenarios of one file; `data` is what `@setup` returned, in whichever worker that was."""

    def __init__(self, python: Mapping[str, Any]) -> None:
        from scaleworthy.load.scenarios.loading import load_scenarios

        self._python = python
        self._loaded = load_scenarios(python["file"])
        self.data: Any = None

    def set_up(self) -> Any:
        """Run `@setup`; return what it returned.

        Raises:
            ScenarioError: It raised; with its traceback.
        """
        from scaleworthy.load.scenarios.once import run_setup
        from scaleworthy.load.scenarios.tracebacks import own_traceback

        try:
            return run_setup(self._loaded)
        except Exception as error:  # noqa: BLE001 - a user's function may raise anything
            raise ScenarioError(own_traceback(error)) from None

    def tear_down(self) -> None:
        """Run `@teardown`.

        Raises:
            ScenarioError: It raised; with its traceback.
        """
        from scaleworthy.load.scenarios.once import run_teardown
        from scaleworthy.load.scenarios.tracebacks import own_traceback

        try:
            run_teardown(self._loaded, self.data)
        except Exception as error:  # noqa: BLE001 - a user's function may raise anything
            raise ScenarioError(own_traceback(error)) from None

    def drive(self, run: Run) -> Message:
        """Run users until *run* is over; return what is to be said of how that went."""
        from scaleworthy.load.scenarios.drive import ScenarioBroken, drive

        try:
            notes = drive(run, self._loaded, {**self._python, "data": self.data})
        except ScenarioBroken as broken:
            return {"driven": [], "broken": str(broken)}
        return {"driven": notes}


def script_of(order: Message) -> Script | None:
    """Return the Python scenarios of a worker's order; None for a plan without."""
    python = order.get("python")
    return None if python is None else Script(python)
