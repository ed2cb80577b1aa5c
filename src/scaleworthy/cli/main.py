"""The door: which commands there are, how errors reach the user, which exit status they end with.

Commands are imported only when they run, so that `scaleworthy --help` answers at once.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from cyclopts import App

from scaleworthy import __version__
from scaleworthy._native import build_profile
from scaleworthy.errors import ScaleworthyError

COMMANDS = {
    "assess": "scaleworthy.cli.assess:assess",
    "audit": "scaleworthy.cli.audit:audit",
    "capacity": "scaleworthy.cli.capacity:capacity",
    "demo": "scaleworthy.cli.demo:demo",
    "find-limit": "scaleworthy.cli.find_limit:find_limit",
    "init": "scaleworthy.cli.init:init",
    "load": "scaleworthy.cli.load:load",
    "observe": "scaleworthy.cli.observe:observe",
    "report": "scaleworthy.cli.report:report",
    "switchboard": "scaleworthy.cli.switchboard:app",
}


def build_app() -> App:
    """Return the command line with every command of COMMANDS."""
    app = App(
        name="scaleworthy",
        help="Find where a backend stops scaling, what limits it, and what to change first.",
        version=f"scaleworthy {__version__} ({build_profile} build, Python {sys.version.split()[0]})",
    )
    for name, where in COMMANDS.items():
        app.command(where, name=name)
    return app


def main(argv: Sequence[str] | None = None) -> None:
    """Run one command and end the process with its exit status (0 held, 1 did not hold, 2 usage, 3 generator-limited)."""
    try:
        status = build_app()(argv)
    except ScaleworthyError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(error.exit_status)
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        sys.exit(130)
    except BrokenPipeError:
        # The reader of our output went away (`| head`): nothing is wrong, and nothing more can be said.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    sys.exit(status if isinstance(status, int) else 0)
