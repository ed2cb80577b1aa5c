"""The one sentence that says what a run's numbers mean, with the evidence for it.

The first of these that is true is the reading: nothing answered; generator-limited; requests that never started; failures;
response time far above service time; latency that grew during the run; a long tail; steady.
"""

from __future__ import annotations

import numpy as np

from scaleworthy.load.summary import Summary, run_window
from scaleworthy.series import Store
from scaleworthy.units import format_ratio, three_digits

_WAIT_RATIO = 1.5
_WAIT_LEAST_MS = 1.0
_GROWTH_RATIO = 1.5
_TAIL_RATIO = 10.0


def reading(summary: Summary, store: Store) -> str:
    """Return what the run shows, in one sentence."""
    for rule in (_nothing_answered, _generator, _not_started, _failures, _waits, _growth):
        text = rule(summary, store)
        if text is not None:
            return text
    response = summary.response_ms
    if response.p99 is not None and response.p50 and response.p99 > _TAIL_RATIO * response.p50:
        return (
            f"response p99 ({_ms(response.p99)}) is {three_digits(response.p99 / response.p50)} times the median:"
            " most requests are quick, one in a hundred is not."
        )
    if response.p99 is None:
        return f"too few answers for a p99: {summary.answered:,}, and it takes 100."
    return f"steady: half of the answers came within {_ms(response.p50)}, 99 of 100 within {_ms(response.p99)}."


def _nothing_answered(summary: Summary, store: Store) -> str | None:
    if summary.answered:
        return None
    if not summary.started:
        return "nothing was sent."
    kind, example = _first_error(summary, store)
    return f"nothing was answered: {summary.started:,} requests sent, most ended by '{kind}'{example}."


def _generator(summary: Summary, _: Store) -> str | None:
    if not summary.generator.limited:
        return None
    if summary.generator.workers_lost:
        return f"do not quote this run: {'; '.join(summary.generator.notes)}."
    lag = summary.generator.lag_p99_ms
    late = f"its own lag p99 was {_ms(lag)}" if lag is not None else "its threads used all of their cores"
    return f"the generator was the limit ({late}): do not quote this run; ask for less, or give it more cores."


def _not_started(summary: Summary, store: Store) -> str | None:
    if not summary.not_started:
        return None
    share = summary.not_started / max(summary.planned, 1)
    users_max = ((store.fact("load", "plan") or {}).get("load") or {}).get("users_max")
    why = (
        "every connection was busy when the run ended"
        if users_max is None
        else f"they came while the plan's {users_max:,} users (users_max) were all busy, or when the run ended"
    )
    return (
        f"{summary.not_started:,} of {summary.planned:,} planned requests never started ({format_ratio(share)}): {why};"
        " the target takes less than was asked of it."
    )


def _failures(summary: Summary, store: Store) -> str | None:
    if not summary.failed:
        return None
    kind, example = _first_error(summary, store)
    share = format_ratio(summary.failed / max(summary.started, 1))
    return f"{summary.failed:,} of {summary.started:,} requests failed ({share}), most by '{kind}'{example}."


def _waits(summary: Summary, store: Store) -> str | None:
    response, service = summary.response_ms.p99, summary.service_ms.p99
    if response is None or not service or response < _WAIT_RATIO * service or response - service < _WAIT_LEAST_MS:
        return None
    lag = store.histogram("load.lag", window=run_window(store))
    late = lag.count_above(round(max(1e6, 0.1 * response * 1e6)))
    return (
        f"response p99 is {three_digits(response / service)} times service p99: some {late:,} requests waited for a connection,"
        f" the longest for {_ms((lag.max_ns or 0) / 1e6)}."
    )


def _growth(_: Summary, store: Store) -> str | None:
    first, end = run_window(store)
    third = (end - first) // 3
    if third < 3:
        return None
    early = store.histogram("load.response_time", window=(first + 1, first + third)).quantile_interval(0.95)
    late = store.histogram("load.response_time", window=(end - third, end - 1)).quantile_interval(0.95)
    if early is None or late is None or late[0] <= _GROWTH_RATIO * early[1]:
        return None
    seconds, level = store.per_second("load.target", window=(first, end))
    if len(seconds) > 2 and float(np.max(level)) > 1.2 * float(np.min(level)):
        return None  # the load itself grew
    return (
        f"latency grew under the same load: p95 from {_ms(sum(early) / 2e6)} in the first third to {_ms(sum(late) / 2e6)}"
        " in the last; a longer run would show more."
    )


def _first_error(summary: Summary, store: Store) -> tuple[str, str]:
    if not summary.errors:
        refused = {status: count for status, count in summary.statuses.items() if int(status) >= 400}
        kind = max(refused, key=lambda status: refused[status]) if refused else "unknown"
        return f"status {kind}", ""
    kind = max(summary.errors, key=lambda name: summary.errors[name])
    example = (store.fact("load", "error_examples") or {}).get(kind)
    return kind, f", such as: {example}" if example else ""


def _ms(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{three_digits(value)} ms" if value < 9_999.5 else f"{three_digits(value / 1e3)} s"
