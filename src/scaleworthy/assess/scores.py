"""Three scores from 1 to 10 and a grade: scalability, load test, growth readiness.

Each score is 1 + 9 · the weighted mean of its terms, each term from 0 to 1, made from one measured number by the formula that
is printed beside it. A better measurement never lowers a score: every term is monotonic. What was not measured counts as
UNKNOWN, nearer to bad than to good, and is said. docs/scores.md has the formulas and the reasons.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from scaleworthy.report.model import Score
from scaleworthy.units import format_ratio, three_digits

UNKNOWN = 0.25
"""What a term counts when its number was not measured."""
AT_ONCE = 32
"""How many requests at once the scalability law is asked about."""
CLIFF = 0.4
"""What a limit that latency falls off counts, over one that it rises into smoothly: there is no warning before it."""
GRADES = ((8.5, "A"), (7.0, "B"), (5.5, "C"), (4.0, "D"), (2.5, "E"), (0.0, "F"))
Reach = Literal["within the measured limit", "with more servers", "out of reach"]
_REACH = {"within the measured limit": 1.0, "with more servers": 0.7, "out of reach": 0.0}


@dataclass(frozen=True, slots=True)
class ScoreInputs:
    """The numbers that the scores are made of; None where one was not measured.

    Attributes:
        limit_per_s: Requests per second held within the objectives; 0 when no load held.
        need_now_per_s, need_100x_per_s: Peak load of the sizes 'baseline' and '100×'.
        peak_per_s: The peak that the service must take now (2 to 3 times its ordinary load).
        shape: How latency meets the limit.
        sigma, kappa: Contention and coherency of the scalability law.
        findings_high, findings_medium: Open audit findings (fail or warn) of that impact.
        objectives_held_ratio: Share of the objectives that held at the baseline load.
        failed_ratio: Share of requests that failed at the baseline load.
        recovery_s: Longest time to come back after an overload; infinite when it never did.
        unsteadiness: Standard deviation over mean of the baseline's latency per second.
        reach: Size name ('10×', '100×', 'enterprise') → how it is reached.
        cost_per_user_ratio: Cost per user at 100× over the cost per user now.
        gaps: What could not be included in the assessment, counted.
    """

    limit_per_s: float | None
    need_now_per_s: float
    need_100x_per_s: float
    peak_per_s: float
    shape: Literal["smooth", "cliff", "unknown"]
    sigma: float | None
    kappa: float | None
    findings_high: int | None
    findings_medium: int | None
    objectives_held_ratio: float | None
    failed_ratio: float | None
    recovery_s: float | None
    unsteadiness: float | None
    reach: tuple[tuple[str, Reach], ...]
    cost_per_user_ratio: float | None
    gaps: int


@dataclass(frozen=True, slots=True)
class _Term:
    name: str
    weight: float
    value: float | None
    shown: str
    formula: str


def scores(given: ScoreInputs) -> tuple[Score, Score, Score]:
    """Return the scores for scalability, load test and growth readiness, each with its formula and every term."""
    return (
        _score("Scalability", _scalability(given)),
        _score("Load test", _load_test(given)),
        _score("Growth readiness", _growth(given)),
    )


def grade(found: Sequence[Score]) -> str:
    """Return A to F for the mean of the scores: A from 8.5, B from 7, C from 5.5, D from 4, E from 2.5."""
    mean = math.fsum(score.value for score in found) / len(found)
    return next(letter for least, letter in GRADES if mean >= least - 1e-9)


def _scalability(given: ScoreInputs) -> tuple[_Term, ...]:
    limit = given.limit_per_s
    efficiency = None
    if given.sigma is not None and given.kappa is not None:
        efficiency = 1 / (1 + given.sigma * (AT_ONCE - 1) + given.kappa * AT_ONCE * (AT_ONCE - 1))
    shapes = {"smooth": 1.0, "cliff": CLIFF, "unknown": None}
    return (
        _Term(
            "headroom",
            5,
            None if limit is None else _log_rise(limit, given.need_now_per_s, given.need_100x_per_s),
            "not measured" if limit is None else f"limit {three_digits(limit)} requests/s",
            f"log(limit / {three_digits(given.need_now_per_s)}) / "
            f"log({three_digits(given.need_100x_per_s)} / {three_digits(given.need_now_per_s)}): "
            "0 at today's peak, 1 at that of 100×",
        ),
        _Term("shape of the limit", 1, shapes[given.shape], given.shape, f"smooth 1, cliff {CLIFF:g}"),
        _Term(
            "contention",
            2,
            efficiency,
            "no scalability law fitted" if efficiency is None else f"{format_ratio(efficiency)} efficiency",
            f"1 / (1 + σ·{AT_ONCE - 1} + κ·{AT_ONCE}·{AT_ONCE - 1}): efficiency with {AT_ONCE} requests at once",
        ),
        _findings_term(given),
    )


def _findings_term(given: ScoreInputs) -> _Term:
    high, medium = given.findings_high, given.findings_medium
    known = high is not None and medium is not None
    return _Term(
        "open findings",
        2,
        1 / (1 + (high or 0) / 2 + (medium or 0) / 8) if known else None,
        f"{high} of high impact, {medium} of medium" if known else "not audited",
        "1 / (1 + high/2 + medium/8)",
    )


def _load_test(given: ScoreInputs) -> tuple[_Term, ...]:
    held, failed, limit = given.objectives_held_ratio, given.failed_ratio, given.limit_per_s
    recovery, unsteady = given.recovery_s, given.unsteadiness
    return (
        _Term(
            "objectives at baseline",
            3,
            held,
            "none checked" if held is None else f"{format_ratio(held)} held",
            "share of the objectives that held",
        ),
        _Term(
            "peak",
            3,
            None if limit is None else _clamp(limit / given.peak_per_s),
            "not measured"
            if limit is None
            else f"{three_digits(limit)} of {three_digits(given.peak_per_s)} requests/s",
            "limit / peak load, at most 1",
        ),
        _Term(
            "errors",
            2,
            None if failed is None else _log_fall(failed, 1e-4, 0.05),
            "not measured" if failed is None else f"{format_ratio(failed)} failed at baseline",
            "1 up to 0.01 % failed, 0 from 5 %, logarithmic between",
        ),
        _Term(
            "recovery",
            1,
            None if recovery is None else _log_fall(recovery, 2.0, 60.0),
            "not measured"
            if recovery is None
            else "never came back"
            if math.isinf(recovery)
            else f"{three_digits(recovery)} s after overload",
            "1 up to 2 s, 0 from 60 s, logarithmic between",
        ),
        _Term(
            "steadiness",
            1,
            None if unsteady is None else _log_fall(unsteady, 0.1, 2.0),
            "not measured"
            if unsteady is None
            else f"median latency varies by {format_ratio(unsteady)} between seconds",
            "1 up to 10 % variation, 0 from 200 %, logarithmic between",
        ),
    )


def _growth(given: ScoreInputs) -> tuple[_Term, ...]:
    reach, ratio = dict(given.reach), given.cost_per_user_ratio
    sizes = [
        _Term(
            f"{size} users",
            weight,
            _REACH[reach[size]] if size in reach else None,
            reach.get(size, "not planned"),
            "within the measured limit 1, with more servers 0.7, out of reach 0",
        )
        for size, weight in (("10×", 3), ("100×", 4), ("enterprise", 1))
    ]
    return (
        *sizes,
        _Term(
            "cost per user",
            1,
            None if ratio is None else _log_fall(ratio, 0.1, 1.0),
            "not known" if ratio is None else f"at 100× {three_digits(ratio)} of today's",
            "1 when it falls to a tenth at 100×, 0 when it does not fall, logarithmic between",
        ),
        _Term("evidence", 1, 1 / (1 + given.gaps / 4), f"{given.gaps} gaps", "1 / (1 + gaps/4)"),
    )


def _score(name: str, terms: Sequence[_Term]) -> Score:
    weights = math.fsum(term.weight for term in terms)
    counted = [UNKNOWN if term.value is None else term.value for term in terms]
    mean = math.fsum(term.weight * value for term, value in zip(terms, counted, strict=True)) / weights
    parts = " + ".join(f"{term.weight:g}·{term.name}" for term in terms)
    rows = []
    for term, value in zip(terms, counted, strict=True):
        why = f"; unknown counts {UNKNOWN:g}" if term.value is None else ""
        rows.append((f"{term.name} ({term.formula})", f"{value:.2f}: {term.shown}{why}"))
    return Score(name=name, value=round(1 + 9 * mean, 1), formula=f"1 + 9 · ({parts}) / {weights:g}", terms=tuple(rows))


def _clamp(value: float) -> float:
    return min(1.0, max(0.0, value))


def _log_rise(value: float, none: float, full: float) -> float:
    """Return 0 up to *none*, 1 from *full* on, and between them the share of the way in orders of magnitude."""
    if value >= full:
        return 1.0
    if value <= none:
        return 0.0
    return _clamp(math.log(value / none) / math.log(full / none))


def _log_fall(value: float, full: float, none: float) -> float:
    """Return 1 up to *full*, 0 from *none* on, and between them the share of the way in orders of magnitude."""
    return 1 - _log_rise(value, full, none)
