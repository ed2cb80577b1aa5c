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
    export: Annotated[tuple[Path, ...], Parameter(negative="", metavar="FILE", show_default=False)] = (),
    json_to: Annotated[str | None, Parameter(name="--json", metavar="FILE|-")] = None,
) -> int:
    """Show the summary of a recording: the same that its run ended with, also where the run was killed.

    Examples:

        scaleworthy report run.sw

        scaleworthy report run.sw --html run.html

        scaleworthy report run.sw --export seconds.parquet --export junit.xml

        scaleworthy report run.sw --json - | jq .verdict

    Exit status: as the run's own: 0 held, 1 an objective failed or nothing was answered, 2 usage, 3 generator-limited.

    Args:
        recording: A recording (NAME.sw) that load wrote.
        export: Write the results to this file, in the format of its ending: .html (the page for people), .csv, .parquet, .json,
            .xml (JUnit), .md, .prom, .otlp or .txt. May be repeated.
        html: Write one self-contained page to this file, as `--export FILE.html` does. [default: none]
        json_to: Summary as JSON to this file, or to standard output for -. [default: none]
    """
    from scaleworthy.cli.exports import check_exports, write_exports, write_page
    from scaleworthy.cli.results import STDOUT, check_file, say, show, write_json
    from scaleworthy.load import summarize, summary_text
    from scaleworthy.series import Recording

    check_file(json_to, "--json")
    check_file(html, "--html")
    check_exports(export)
    with Recording.open(recording) as store:
        if store.span("load.planned") is None:
            raise UsageError(f"{recording} holds no load run", hint="record one: scaleworthy load TARGET --out run.sw")
        summary = summarize(store)
        text = summary_text(summary, store)
        write_exports(store, export)
        if html is not None:
            write_page(store, html)
    (say if json_to == STDOUT else show)(text)
    if json_to is not None:
        write_json(summary.to_dict(), json_to)
    return summary.exit_status
