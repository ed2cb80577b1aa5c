"""`scaleworthy compare`: what changed from one run to another, and is that more than chance?"""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from scaleworthy.errors import UsageError

if TYPE_CHECKING:
    from scaleworthy.series import Store


def compare(
    before: Annotated[str, Parameter(name="BEFORE", group="Arguments")],
    after: Annotated[str, Parameter(name="AFTER", group="Arguments")],
    /,
    *,
    floor: Annotated[float, Parameter(metavar="PERCENT")] = 5.0,
    warm_up: Annotated[str | None, Parameter(metavar="TIME")] = None,
    steps: bool = True,
    seed: Annotated[int, Parameter(metavar="N")] = 1,
    markdown: Annotated[Path | None, Parameter(metavar="FILE")] = None,
    json_to: Annotated[str | None, Parameter(name="--json", metavar="FILE|-")] = None,
) -> int:
    """Compare two runs: the change of each quantity with its interval, and whether it is better, worse or the same.

    BEFORE and AFTER are recordings (NAME.sw), or several of one side joined by commas: with several, what differs from
    one start of the service to the next is in the interval too.

    Examples:

        scaleworthy compare before.sw after.sw

        scaleworthy compare main-1.sw,main-2.sw,main-3.sw branch-1.sw,branch-2.sw,branch-3.sw --markdown comment.md

        scaleworthy compare before.sw after.sw --floor 10 --json - | jq .verdict

    Exit status: 0 not worse, 1 worse, 2 usage.

    Args:
        before: The recordings to compare with.
        after: The recordings to judge.
        floor: The change that matters, in percent of the old value; smaller ones are the same.
        warm_up: Leave out this much of each run's beginning. [default: nothing]
        steps: Also look at each step that all runs have.
        seed: Of the random draws behind the intervals.
        markdown: Write the comparison as Markdown to this file, for a pull request. [default: none]
        json_to: Comparison as JSON to this file, or to standard output for -. [default: none]
    """
    from scaleworthy.cli.results import STDOUT, check_file, say, show, write_file, write_json
    from scaleworthy.load.compare import compare as compared
    from scaleworthy.load.compare import comparison_markdown, comparison_text
    from scaleworthy.units import parse_duration_ns

    check_file(json_to, "--json")
    check_file(markdown, "--markdown")
    if not 0 < floor <= 1_000:
        raise UsageError(f"--floor must be above 0 and at most 1000 percent, got {floor:g}")
    warm_up_s = -(-parse_duration_ns(warm_up) // 10**9) if warm_up else 0
    with contextlib.ExitStack() as stack:
        sides = [[_opened(Path(path), stack) for path in side.split(",")] for side in (before, after)]
        comparison = compared(*sides, floor=floor / 100, warm_up_s=warm_up_s, by_step=steps, seed=seed)
    (say if json_to == STDOUT else show)(comparison_text(comparison))
    if markdown is not None:
        write_file(markdown, comparison_markdown(comparison))
    if json_to is not None:
        write_json(comparison.to_dict(), json_to)
    return comparison.exit_status


def _opened(path: Path, stack: contextlib.ExitStack) -> Store:
    from scaleworthy.series import Recording

    store = stack.enter_context(Recording.open(path))
    if store.span("load.planned") is None:
        raise UsageError(f"{path} holds no load run", hint="record one: scaleworthy load TARGET --out run.sw")
    return store
