"""`scaleworthy selftest`: can the numbers of this machine's generator be trusted?"""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter


def selftest(
    *,
    quick: Annotated[bool, Parameter(negative="")] = False,
    json_to: Annotated[str | None, Parameter(name="--json", metavar="FILE|-")] = None,
) -> int:
    """Prove on this machine that counts, rates and times of the load generator are right, against servers of known behaviour.

    Starts servers of its own on loopback, in another process, and loads nothing else. Takes up to a minute; the machine should
    be as idle as in the runs that it is to speak for.

    Examples:

        scaleworthy selftest

        scaleworthy selftest --quick --json selftest.json

    Exit status: 0 everything held, 1 something did not (the table says what, and what that means), 2 usage, 130 stopped
    (Ctrl-C).

    Args:
        quick: Shorter runs, some 20 s: rougher, with fewer rates, and capacity at the speed of the engine alone.
        json_to: The lines as JSON to this file, or to standard output for -. [default: none]
    """
    from scaleworthy.cli.results import STDOUT, check_file, say, show, write_json
    from scaleworthy.load.selftest.prove import selftest as prove
    from scaleworthy.load.selftest.text import line_text, table, to_dict

    check_file(json_to, "--json")
    lines = []
    for line in prove(quick=quick):
        say(line_text(line))
        lines.append(line)
    (say if json_to == STDOUT else show)("\n" + table(lines))
    if json_to is not None:
        write_json(to_dict(lines), json_to)
    return 0 if all(line.held is not False for line in lines) else 1
