"""`scaleworthy import`: write the plan that another tool's file is."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from scaleworthy.cli.groups import RESULT, SHAPE


def import_(
    file: Annotated[Path, Parameter(name="FILE", group="Arguments")],
    /,
    *,
    target_url: Annotated[str | None, Parameter(name="--target", group=SHAPE, metavar="URL")] = None,
    environment: Annotated[str | None, Parameter(group=SHAPE, metavar="NAME")] = None,
    out: Annotated[Path | None, Parameter(group=RESULT, metavar="FILE.yaml")] = None,
) -> int:
    """Write the plan file that another tool's file is.

    FILE is an Artillery script, a browser's recording (HAR), a Postman collection, an OpenAPI description or curl commands.
    Each also runs as it is (`scaleworthy load`); its plan is where you go on from. What runs otherwise than the file may
    suggest stands above the plan.

    Examples:

        scaleworthy import artillery.yml --out plan.yaml

        scaleworthy import artillery.yml --environment staging | less

        scaleworthy import site.har --target http://127.0.0.1:8000 --out plan.yaml

    Exit status: 0 the plan was written, 2 the file cannot be run, with everything that is wrong.

    Args:
        file: An Artillery script, .har, Postman collection, OpenAPI description, or .curl or .sh with curl commands.
        target_url: In place of the file's target. [default: the file's]
        environment: Lay this part of the script's config.environments over its config. [default: none]
        out: Where the plan goes; files it names are then found from there. [default: standard output]
    """
    from scaleworthy.cli.results import check_file, say, show, write_file
    from scaleworthy.load import Wishes, plan_text, read_plan

    check_file(out, "--out")
    imported = read_plan(file, Wishes(target=target_url, environment=environment))
    folder = Path.cwd() if out is None else out.absolute().parent
    text = plan_text(imported.data, notes=imported.notes, source=file.absolute(), folder=folder)
    if out is None:
        show(text.rstrip("\n"))
    else:
        write_file(out, text)
        say(f"written: {out}")
    return 0
