"""Load a file of Python scenarios: what is wrong with it is said with file and line, and no traceback."""

from __future__ import annotations

import importlib.util
import sys
import traceback
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from scaleworthy.errors import InvalidInput, ScaleworthyError, UsageError
from scaleworthy.load.scenarios.declare import Declared, declared
from scaleworthy.load.scenarios.feeders import Feeder

MODULE_NAME = "__scaleworthy_scenario__"


@dataclass(frozen=True, slots=True)
class Loaded:
    """A module of scenarios, and what it declares."""

    module: ModuleType
    declared: Declared
    feeders: tuple[Feeder, ...]


def load_scenarios(path: Path | str) -> Loaded:
    """Run the file once, as `python file.py` would with another name, and return what it declares.

    Raises:
        UsageError: There is no such file.
        InvalidInput: It cannot be run, or declares nothing that can; with file, line and reason.
    """
    path = Path(path).resolve()
    if not path.is_file():
        raise UsageError(f"there is no file {str(path)!r}", hint="give the file that holds the @scenario functions")
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
    if problems:
        raise InvalidInput(
            str(path), [f"{path.name}:{problem}" for problem in problems], hint="docs/guide/scenarios.md shows how"
        )
    return Loaded(module, found, feeders)


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
