"""The whole assessment: measure, observe, audit, plan, mend where that is allowed, measure again, conclude.

Every step writes into one store; the report is made from it and from the findings. A step that fails for want of rights or
parts becomes a gap that the report names; it never sinks the rest.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from scaleworthy.assess.conclude import Concluded, report_of
from scaleworthy.assess.measure import Measurement, Say, measure
from scaleworthy.assess.observed import observed
from scaleworthy.assess.subject import Remedy, Subject
from scaleworthy.capacity import Assumptions, Capacity, CapacityError, PriceBook, assess_capacity
from scaleworthy.errors import ScaleworthyError
from scaleworthy.finding import Finding
from scaleworthy.load import SearchSettings
from scaleworthy.report.model import Report
from scaleworthy.series import Store


@dataclass(frozen=True, slots=True)
class Settings:
    """How long each part may take, and what growth is planned with.

    Attributes:
        search_again: How to search after a remedy; None is as the first time.
        baseline_s: Seconds of steady low load before each search.
        prices: The price book; None is the shipped one.
        audit: Whether the database is audited.
    """

    search: SearchSettings = field(default_factory=SearchSettings)
    search_again: SearchSettings | None = None
    baseline_s: int = 15
    prices: PriceBook | None = None
    assumptions: Assumptions = field(default_factory=Assumptions)
    audit: bool = True


def assess(
    subject: Subject,
    *,
    store: Store,
    settings: Settings,
    say: Say,
    remedies: Sequence[Remedy] = (),
    clock: Callable[[], float] = time.time,
) -> Report:
    """Assess *subject* and return the report.

    Args:
        store: Where every series, event and finding of the assessment goes.
        remedies: Changes to try one after the other, each followed by the same measurement; none for a user's service.
        say: Called with one line for each thing that happened.

    Raises:
        ScaleworthyError: The target cannot be reached, or answers nothing.
    """
    started = clock()
    gaps = list(subject.gaps)
    first = _measured(subject, store, settings, say, gaps, name="as found", what_changed="the service as it was given")
    findings = _audited(subject, store, settings, say, first, gaps)
    capacities = [_capacity(subject, store, settings, first, gaps)]
    measurements = [first]
    cured_by: dict[str, int] = {}
    for remedy in remedies:
        applied = remedy.apply(subject, findings or ())
        if applied is None:
            gaps.append(f"{remedy.name}: nothing was found that it could mend, so it was not tried")
            continue
        subject = applied.subject
        say(f"applied: {applied.what_changed}")
        again = replace(settings, search=settings.search_again or settings.search)
        later = _measured(subject, store, again, say, gaps, name=remedy.name, what_changed=applied.what_changed)
        cured_by |= dict.fromkeys(applied.cured, len(measurements))
        measurements.append(later)
        capacities.append(_capacity(subject, store, settings, later, gaps))
    store.add_findings(findings or ())
    return report_of(
        Concluded(
            subject=subject,
            store=store,
            measurements=tuple(measurements),
            capacities=tuple(capacities),
            findings=tuple(findings or ()),
            cured_by=cured_by,
            audited=findings is not None,
            gaps=tuple(dict.fromkeys(gaps)),
            assumptions=settings.assumptions,
            started_at_s=started,
            seconds=clock() - started,
        )
    )


def _measured(
    subject: Subject, store: Store, settings: Settings, say: Say, gaps: list[str], *, name: str, what_changed: str
) -> Measurement:
    with observed(subject, store) as unobserved:
        gaps += unobserved
        return measure(
            subject,
            store=store,
            name=name,
            what_changed=what_changed,
            baseline_s=settings.baseline_s,
            search=settings.search,
            say=say,
        )


def _audited(
    subject: Subject, store: Store, settings: Settings, say: Say, measured: Measurement, gaps: list[str]
) -> list[Finding] | None:
    """Return what the audit found, or None where there was none to be had."""
    if subject.database is None or not settings.audit:
        return None
    from scaleworthy.audit import run_audit  # needs the extra 'postgres', which a service without a database does not

    say("auditing the database" + ("" if subject.owned else ", reading only; advice is tried on a copy"))
    prove: Literal["here", "copy"] = "here" if subject.owned else "copy"
    try:
        findings = run_audit(subject.database, store=store, window=measured.window, prove=prove)
    except ScaleworthyError as error:
        gaps.append(f"the database was not audited: {error.message}")
        return None
    wrong = sum(finding.verdict in ("fail", "warn") for finding in findings)
    say(f"audited: {wrong} of {len(findings)} findings need a hand")
    return findings


def _capacity(
    subject: Subject, store: Store, settings: Settings, measured: Measurement, gaps: list[str]
) -> Capacity | None:
    try:
        return assess_capacity(
            store,
            measured.limit,
            pool_connections=subject.pool_connections,
            prices=settings.prices,
            growth_assumptions=settings.assumptions,
            own_prices=settings.prices is not None,
        )
    except CapacityError as error:
        gaps.append(f"capacity ({measured.name}): {error.message}")
        return None
