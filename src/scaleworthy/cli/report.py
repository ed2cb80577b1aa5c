"""`scaleworthy report`: the summary of a recording, also of a run that was killed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from scaleworthy.errors import UsageError


def report(
    recording: Annotated[Path, Parameter(name="RECORDING")],
    /,
    *,
    html: Annotated[Path | None, Parameter(metavar="FILE")] = None,
    json_to: Annotated[str | None, Parameter(name="--json", metavar="FILE|-")] = None,
) -> int:
    """Show the summary of a recording: the same that its run ended with, also where the run was killed.

    Examples:

        scaleworthy report run.sw

        scaleworthy report run.sw --html run.html

        scaleworthy report run.sw --json - | jq .verdict

    Exit status: as the run's own: 0 held, 1 an objective failed or nothing was answered, 2 usage, 3 generator-limited.

    Args:
        recording: A recording (NAME.sw) that load wrote.
        html: Write one self-contained page to this file. [default: none]
        json_to: Summary as JSON to this file, or to standard output for -. [default: none]
    """
    from scaleworthy.cli.plan_source import check_writable, say, write_json
    from scaleworthy.load import summarize, summary_text
    from scaleworthy.series import Recording

    check_writable(json_to, "--json")
    check_writable(str(html) if html is not None else None, "--html")
    with Recording.open(recording) as store:
        if store.span("load.planned") is None:
            raise UsageError(f"{recording} holds no load run", hint="record one: scaleworthy load TARGET --out run.sw")
        summary = summarize(store)
        text = summary_text(summary, store)
        if html is not None:
            from scaleworthy.report.html import render
            from scaleworthy.report.load_report import report_of

            html.write_text(render(report_of(store)), encoding="utf-8")
            say(f"written: {html}")
    if json_to is not None:
        write_json(summary.to_dict(), json_to)
    (say if json_to == "-" else print)(text)
    return summary.exit_status
