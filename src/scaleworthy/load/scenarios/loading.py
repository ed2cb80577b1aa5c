"""Load a file of Python scenarios: what is wrong with it is said with file and line, and no traceback."""

from __future__ import annotations

import importlib.util
import sys
import traceback
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from scaleworthy.errors import InvalidInput, MissingExtra, ScaleworthyError, UsageError
from scaleworthy.load.scenarios.declare import Declared, declared
from scaleworthy.load.scenarios.feeders import Feeder
from scaleworthy.load.scenarios.locust.recognise import is_locust
from scaleworthy.load.scenarios.settings import Settings

if TYPE_CHECKING:
    from scaleworthy.load.scenarios.locust.file import LocustFile

MODULE_NAME = "__scaleworthy_scenario__"


@dataclass(frozen=True, slots=True)
class Loaded:
    """A module of scenarios, and what it declares.

    Attributes:
        around: Entered while its functions run.
        locust: What it is beside that, where it is a Locust file.
        settings: What it says of its run, as it was given.
    """

    module: ModuleType
    declared: Declared
    feeders: tuple[Feeder, ...]
    around: Callable[[], AbstractContextManager[None]] = nullcontext
    locust: LocustFile | None = None
    settings: Settings | None = None


def load_scenarios(path: Path | str) -> Loaded:
    """Run the file once, as `python file.py` would with another name, and return what it declares.

    Raises:
        UsageError: There is no such file.
        InvalidInput: It cannot be run, or declares nothing that can; with file, line and reason.
    """
    path = Path(path).resolve()
    if not path.is_file():
        raise UsageError(f"there is no file {str(path)!r}", hint="give the file that holds the @scenario functions")
    if is_locust(path):
        return _load_locust(path)
    module = _run(path)
    found = declared(module)
    problems = list(found.problems)
    if not found.scenarios and not problems:
        problems.append("1: declares no scenario; put @scenario before an 'async def name(user)'")
    feeders = tuple(dict.fromkeys(value for value in vars(module).values() if isinstance(value, Feeder)))
    for feeder in feeders:
        try:
            feeder.load()
        except (ValueError, ScaleworthyError) as error:
            problems.append(f"1: {error}")
    settings = list(dict.fromkeys(value for value in vars(module).values() if isinstance(value, Settings)))
    problems += [f"{other.line}: a file has one Settings(...), and this is another" for other in settings[1:]]
    if problems:
        raise InvalidInput(
            str(path), [f"{path.name}:{problem}" for problem in problems], hint="docs/guide/scenarios.md shows how"
        )
    return Loaded(module, found, feeders, settings=settings[0] if settings else None)


def _load_locust(path: Path) -> Loaded:
    """Load a Locust file: it finds our modules where it imports Locust's.

    Raises:
        MissingExtra: There are no greenlets.
        InvalidInput: It cannot be run; with file, line and reason.
    """
    try:
        import greenlet  # noqa: F401 - the one package that it takes
    except ImportError:
        raise MissingExtra("locust", needed_for=f"the Locust file {path.name}") from None
    from scaleworthy.load.scenarios.locust.events import Events
    from scaleworthy.load.scenarios.locust.file import locust_file
    from scaleworthy.load.scenarios.locust.modules import installed, shim_modules

    events = Events()
    modules = shim_modules(events)
    with installed(modules):
        module = _run(path)
    found = locust_file(path, module, events)
    if problems := found.declared.problems:
        raise InvalidInput(
            str(path),
            [f"{path.name}:{problem}" for problem in problems],
            hint="docs/guide/from-locust.md says what runs",
        )
    return Loaded(module, found.declared, (), around=lambda: installed(modules), locust=found)


def _run(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(MODULE_NAME, path)
    if spec is None or spec.loader is None:
        raise UsageError(f"{path.name} is not a Python file", hint="its name ends in .py")
    module = importlib.util.module_from_spec(spec)
    # Beside the file stands what it imports, as for `python file.py`; annotations and pickles look a module up by name.
    folder = str(path.parent)
    if folder not in sys.path:
        sys.path.insert(0, folder)
    sys.modules[MODULE_NAME] = module
    try:
        spec.loader.exec_module(module)
    except SyntaxError as error:
        raise InvalidInput(
            str(path), [f"{Path(error.filename or path).name}:{error.lineno}: {error.msg}"], hint=None
        ) from None
    except (Exception, SystemExit) as error:  # noqa: BLE001 - a user's file may raise anything
        line = line_in(error, path)
        raise InvalidInput(str(path), [f"{path.name}:{line}: {type(error).__name__}: {error}"]) from None
    return module


def line_in(error: BaseException, path: Path) -> int:
    """Return the last line of *path* that *error* came through; 1 where it came through none."""
    frames = traceback.extract_tb(error.__traceback__)
    return next((frame.lineno or 1 for frame in reversed(frames) if Path(frame.filename) == path), 1)
