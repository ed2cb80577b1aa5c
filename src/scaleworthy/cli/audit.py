"""`scaleworthy audit`: what holds a database back, and what would mend it. It only ever reads."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter
from rich.text import Text

from scaleworthy.cli.results import STDOUT, check_file, write_json
from scaleworthy.cli.saying import PatientConsole
from scaleworthy.errors import UsageError
from scaleworthy.finding import Finding
from scaleworthy.units import format_ns, format_quantity, three_digits

_STYLES = {"fail": "bold red", "warn": "yellow", "unknown": "cyan", "pass": "green"}
_INDENT = " " * 8


def audit(
    *,
    database: Annotated[str | None, Parameter(name=["--database", "-d"])] = None,
    recording: Path | None = None,
    prove: Literal["copy", "none"] = "copy",
    only: Annotated[tuple[str, ...], Parameter(consume_multiple=True, negative="", show_default=False)] = (),
    ignore: Annotated[tuple[str, ...], Parameter(consume_multiple=True, negative="", show_default=False)] = (),
    explain: str | None = None,
    json_to: Annotated[str | None, Parameter(name="--json")] = None,
) -> int:
    """Read a PostgreSQL database and say what holds it back, the most urgent first.

    Nothing in the database is changed: the session is read-only, and advice is tried on a copy in an embedded server.
    It wants SELECT on the tables, pg_read_all_stats, and the extension pg_stat_statements; what is missing is named.

    Examples:

        scaleworthy audit --database postgresql://me@127.0.0.1:5432/app

        scaleworthy audit --database "$DSN" --recording run.sw --json - | jq '.findings[].id'

        scaleworthy audit --database "$DSN" --only 0002 0003 --ignore 'database/0003/*'

        scaleworthy audit --explain 0002

    Exit status: 0 nothing failed, 1 a check failed, 2 usage.

    Args:
        database: The database, as a libpq URL or connection string.
        recording: A recording of a load on it: statements per request, and only what ran meanwhile.
        prove: Try index advice on a copy of the tables concerned, or not at all.
        only: Checks to run, such as 0002 or database/0002_missing_index. [default: all]
        ignore: Findings or checks to leave out, by id; * matches anything. [default: none]
        explain: Print the page of one check and stop.
        json_to: Write the findings as JSON to this file, or to standard output for -.
    """
    from scaleworthy.audit import discover, run_audit
    from scaleworthy.audit.runner import choose

    if explain is not None:
        for check in choose(discover(), [explain]):
            print(check.page())
        return 0
    if database is None:
        raise UsageError(
            "no database is named", hint="scaleworthy audit --database postgresql://USER@HOST:5432/DATABASE"
        )
    check_file(json_to, "--json")
    way: Literal["copy"] | None = "copy" if prove == "copy" else None
    if recording is None:
        found = run_audit(database, prove=way, only=only or None, ignore=ignore)
    else:
        from scaleworthy.series import Recording

        with Recording.open(recording) as store:
            found = run_audit(database, store=store, prove=way, only=only or None, ignore=ignore)
    failed = any(finding.verdict == "fail" for finding in found)
    if json_to != STDOUT:
        # Lines are not wrapped: a statement is to be copied whole.
        PatientConsole(highlight=False).print(_shown(found), soft_wrap=True)
    if json_to is not None:
        write_json({"schema": 1, "findings": [finding.to_dict() for finding in found]}, json_to)
    return 1 if failed else 0


def _shown(found: list[Finding]) -> Text:
    """Return the findings for a terminal: what is wrong first, then one line for each that passed."""
    lines: list[Text] = []
    for finding in found:
        if finding.verdict == "pass":
            continue
        when = "" if finding.verdict == "unknown" else f"  {finding.priority} · effort {finding.effort}"
        lines.append(Text.assemble((f"{finding.verdict:<8}", _STYLES[finding.verdict]), (finding.title, "bold")))
        lines.append(Text(f"{_INDENT}{finding.id}{when}", style="dim"))
        lines += [Text(f"{_INDENT}{line}") for line in _lines(finding)]
        lines.append(Text())
    passed = [finding for finding in found if finding.verdict == "pass"]
    if passed:
        lines.append(Text.assemble((f"{'pass':<8}", _STYLES["pass"]), f"{len(passed)} checks"))
        lines += [Text(f"{_INDENT}{finding.id}  {finding.title}") for finding in passed]
        lines.append(Text())
    counts = [f"{sum(f.verdict == verdict for f in found)} {verdict}" for verdict in _STYLES]
    lines.append(Text(" · ".join(counts) + " · scaleworthy audit --explain ID says more"))
    return Text("\n").join(lines)


def _lines(finding: Finding) -> list[str]:
    lines = [f"costs    {finding.impact}"] if finding.impact else []
    for fact in finding.evidence:
        value = "" if fact.value is None else f" {_quantity(fact.value, fact.unit)}"
        interval = f" ({three_digits(fact.interval[0])} to {three_digits(fact.interval[1])})" if fact.interval else ""
        lines.append(f"fact     {fact.text}:{value}{interval}, {fact.source}")
    if finding.missing:
        lines.append(f"missing  {finding.missing}")
    if (fix := finding.fix) is not None:
        lines.append(f"fix      {fix.summary}")
        lines += [f"         {statement};" for statement in fix.statements]
        if (proof := fix.proof) is not None:
            lines.append(
                f"tried    {format_ns(proof.before_ms * 1e6)} → {format_ns(proof.after_ms * 1e6)}, "
                f"{three_digits(proof.times_faster)} times faster ({proof.samples} runs each, {proof.where})"
            )
    return lines


def _quantity(value: float, unit: str) -> str:
    scale = {"ms": 1e6, "s": 1e9}.get(unit)
    return format_ns(value * scale) if scale else format_quantity(value, unit)
