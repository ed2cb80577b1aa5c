"""The door: which commands there are, how errors reach the user, which exit status they end with.

Commands are imported only when they run, so that `scaleworthy --help` answers at once.
"""

from __future__ import annotations

import contextlib
import importlib
import inspect
import re
import sys
from collections.abc import Sequence
from difflib import get_close_matches

from cyclopts import App, CycloptsError

from scaleworthy import __version__
from scaleworthy._native import build_profile
from scaleworthy.cli.elsewhere import in_place_of
from scaleworthy.cli.interrupt import INTERRUPTED, terminable
from scaleworthy.cli.results import say, silence_stdout
from scaleworthy.errors import ScaleworthyError, UsageError

COMMANDS = {
    "assess": (
        "scaleworthy.cli.assess:assess",
        "Load, observe and audit a service; say what it takes and what to change.",
    ),
    "audit": ("scaleworthy.cli.audit:audit", "Read a PostgreSQL database and say what holds it back."),
    "capacity": (
        "scaleworthy.cli.capacity:capacity",
        "Say from recordings what limits a service and what growth needs.",
    ),
    "compare": (
        "scaleworthy.cli.compare:compare",
        "Compare two runs: the change of each quantity with its interval, and whether it is better, worse or the same.",
    ),
    "demo": ("scaleworthy.cli.demo:demo", "Assess the reference backend, end to end, and leave report.html."),
    "find-limit": ("scaleworthy.cli.find_limit:find_limit", "Find the most that a target takes within its objectives."),
    "import": ("scaleworthy.cli.import_:import_", "Write the plan file that another tool's file is."),
    "init": ("scaleworthy.cli.init:init", "Write scaleworthy.yaml, with comments."),
    "load": ("scaleworthy.cli.load:load", "Send requests on a schedule; report response time from the planned start."),
    "observe": ("scaleworthy.cli.observe:observe", "Record what a host, its processes, PostgreSQL and Valkey do."),
    "report": ("scaleworthy.cli.report:report", "Show the summary of a recording, also of a run that was killed."),
    "selftest": (
        "scaleworthy.cli.selftest:selftest",
        "Prove on this machine that counts, rates and times of the load generator are right, against servers of known behaviour.",
    ),
    "switchboard": ("scaleworthy.cli.switchboard:app", "Serve or seed the reference backend, or play language models."),
    "watch": (
        "scaleworthy.cli.watch:watch",
        "Run the same load again and again, keep its history, and say when a run falls out of it.",
    ),
}
"""Where each command is, and its line in the help: the first of its own docstring, which a test compares."""

_VALUE = re.compile(r"-($|[\d.])")
_BELOW = re.compile(r"^Examples:.*?(?=^Args:|\Z)", re.DOTALL | re.MULTILINE)


def build_app(only: str | None = None) -> App:
    """Return the command line with every command of COMMANDS, or with *only* one, whose own help is then complete."""
    app = App(
        name="scaleworthy",
        help="Find where a backend stops scaling, what limits it, and what to change first.",
        version=f"scaleworthy {__version__} ({build_profile} build, Python {sys.version.split()[0]})",
        suppress_keyboard_interrupt=False,
    )
    for name, (where, line) in COMMANDS.items():
        if name == only:
            _add_whole(app, name, where)
        elif only is None:
            app.command(where, name=name, help=line)
    return app


def _add_whole(app: App, name: str, where: str) -> None:
    """Add the command itself; what its docstring says from `Examples:` on stands below the options."""
    module, _, attribute = where.partition(":")
    try:
        command = getattr(importlib.import_module(module), attribute)
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing in ("", "scaleworthy"):
            raise
        raise UsageError(
            f"{name} needs the package {missing!r}, which is not installed", hint="pip install 'scaleworthy[all]'"
        ) from error
    if isinstance(command, App):
        app.command(command, name=name)
        return
    found = _BELOW.search(inspect.getdoc(command) or "")
    below = found[0].strip().replace("\n\n    ", "\n    ") if found else None
    app.command(command, name=name, help_epilogue=below, help_format="plaintext")


def main(argv: Sequence[str] | None = None) -> None:
    """Run one command and end the process with its exit status (0 held, 1 did not hold, 2 usage, 3 generator-limited)."""
    words = _with_dash_joined(sys.argv[1:] if argv is None else argv)
    try:
        with terminable():
            status = build_app(_command_in(words))(words, exit_on_error=False, print_error=False)
            sys.stdout.flush()
    except ScaleworthyError as error:
        say(f"error: {error}")
        sys.exit(error.exit_status)
    except CycloptsError as error:
        say(f"error: {_usage(str(error).strip(), words)}")
        sys.exit(2)
    except KeyboardInterrupt:
        say("stopped")
        sys.exit(INTERRUPTED)
    except BrokenPipeError:
        # The reader of our output went away (`| head`): nothing is wrong, and nothing more can be said.
        silence_stdout()
        sys.exit(0)
    except OSError as error:
        # The system refused something that no command expected: its own words say what, and a traceback says no more.
        where = f"{error.filename}: " if error.filename is not None else ""
        say(f"error: {where}{error.strerror or error}\n\nhint: check rights and room, then run the command again")
        with contextlib.suppress(OSError):
            silence_stdout()
        sys.exit(1)
    sys.exit(status if isinstance(status, int) else 0)


def _usage(error: str, words: Sequence[str]) -> str:
    command = f" {words[0]}" if words and words[0] in COMMANDS else ""
    here = in_place_of(error) if command in (" load", " find-limit") else None
    if here is not None:
        return f"{error.partition('. Did you mean')[0].rstrip('.')}.\n\nhint: {here}; scaleworthy{command} --help lists all"
    return f"{error}\n\nhint: scaleworthy{command} --help lists the options"


def _with_dash_joined(words: Sequence[str]) -> list[str]:
    """Return *words* with `--json -` as `--json=-`: a lone dash, or a number below 0, would be taken for the next option."""
    joined: list[str] = []
    for word in words:
        if _VALUE.match(word) and joined and joined[-1].startswith("--") and "=" not in joined[-1]:
            joined[-1] += f"={word}"
        else:
            joined.append(word)
    return joined


def _command_in(words: Sequence[str]) -> str | None:
    """Return the command that *words* begin with, or None where they begin with an option.

    Raises:
        UsageError: There is no such command.
    """
    if not words or words[0].startswith("-"):
        return None
    if words[0] not in COMMANDS:
        near = get_close_matches(words[0], COMMANDS, n=1)
        offer = f"did you mean {near[0]!r}?" if near else "scaleworthy --help lists the commands"
        raise UsageError(f"there is no command {words[0]!r}", hint=offer)
    return words[0]
