"""Run the checks over one database and return what they found, the most urgent first."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from fnmatch import fnmatchcase
from typing import Literal

from scaleworthy.audit.check import Check, discover
from scaleworthy.audit.evidence import Evidence, read_evidence
from scaleworthy.errors import InvalidInput
from scaleworthy.finding import Finding
from scaleworthy.series import Store

_VERDICTS = ("fail", "warn", "unknown", "pass")
_PRIORITIES = ("now", "next", "later")
_LEVELS = ("high", "medium", "low")


def run_audit(
    dsn: str,
    *,
    store: Store | None = None,
    window: tuple[int, int] | None = None,
    prove: Literal["copy", "here"] | None = "copy",
    only: Iterable[str] | None = None,
    ignore: Iterable[str] = (),
    clock: Callable[[datetime], datetime] = lambda now: now,
) -> list[Finding]:
    """Return one or more findings of every check, failures first.

    Args:
        dsn: The database; only ever read, unless *prove* is `here`.
        store: A recording of the load, for statements per request and for what ran within *window* (Unix seconds).
        window: The seconds of the recording that count; None for all.
        prove: `copy` tries index advice on a copy in an embedded server, `here` in a transaction of this database that is
            rolled back (it blocks writers meanwhile: only for a database that you own); None does not try it.
        only: Check ids, whole (`database/0002_missing_index`) or short (`database/0002`, `0002`).
        ignore: Finding ids or check ids to leave out; `*` matches anything.
        clock: Turns the server's time into the time that ages are taken at.

    Raises:
        InvalidInput: *only* names a check that does not exist.
        TargetError: The database cannot be reached.
    """
    checks = choose(discover(), only)
    evidence = read_evidence(dsn, store=store, window=window, prove=prove, clock=clock)
    found = [finding for check in checks for finding in run_check(check, evidence)]
    patterns = tuple(ignore)
    kept = [finding for finding in found if not _ignored(finding, patterns)]
    return sorted(kept, key=_urgency)


def run_check(check: Check, evidence: Evidence) -> list[Finding]:
    """Return what one check says; missing evidence, or a check that breaks, is `unknown` and never sinks the run."""
    gaps = [evidence.gaps[need] for need in check.needs if need in evidence.gaps]
    if gaps:
        return [_unknown(check, "; ".join(str(gap) for gap in gaps))]
    try:
        found = list(check.run(evidence))
    except Exception as error:  # noqa: BLE001 - a check is a plug-in: its fault is reported, the others go on
        return [
            _unknown(
                check, f"the check broke: {type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
            )
        ]
    return found or [Finding(check.key, check.id, check.dimension, "pass", check.passes, labels={"page": check.id})]


def choose(checks: Sequence[Check], only: Iterable[str] | None) -> tuple[Check, ...]:
    """Return the checks that *only* names, in their own order; all of them for None."""
    if only is None:
        return tuple(checks)
    wanted, problems, names = set(), [], [check.id for check in checks]
    for text in only:
        found = [
            c.id for c in checks if text in (c.id, c.key, c.key.partition("/")[2], c.id.partition("/")[2], c.dimension)
        ]
        if not found:
            near = difflib.get_close_matches(
                text, [*names, *(name.partition("/")[2] for name in names)], n=1, cutoff=0.3
            )
            problems.append(f"only: no check {text!r}" + (f"; the nearest is {near[0]}" if near else ""))
        wanted.update(found)
    if problems:
        raise InvalidInput("the choice of checks", problems, hint=f"checks: {', '.join(names)}")
    return tuple(check for check in checks if check.id in wanted)


def _unknown(check: Check, missing: str) -> Finding:
    return Finding(
        f"{check.key}/unknown",
        check.id,
        check.dimension,
        "unknown",
        f"Not judged: {check.title[0].lower()}{check.title[1:]}",
        missing=missing,
        labels={"page": check.id},
    )


def _ignored(finding: Finding, patterns: tuple[str, ...]) -> bool:
    keys = (finding.id, finding.check, finding.check.partition("_")[0])
    # fnmatch reads brackets as a set; ids have none, so only the star means anything.
    return any(key == pattern or fnmatchcase(key, pattern) for pattern in patterns for key in keys)


def _urgency(finding: Finding) -> tuple[int, int, int, str]:
    return (
        _VERDICTS.index(finding.verdict),
        _PRIORITIES.index(finding.priority),
        _LEVELS.index(finding.impact_level),
        finding.id,
    )
