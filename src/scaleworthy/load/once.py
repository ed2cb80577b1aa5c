"""What runs once in a whole run: `before` the load, and `after` it. It is no part of the load: no second of it is recorded.

Each is a run of its own with one user and one iteration, on the engine in this process. What `before` extracts or sets is a
variable of the plan for every user, in every thread and process, and for `after`.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from scaleworthy._native import Run
from scaleworthy.errors import ScaleworthyError, TargetError, UsageError
from scaleworthy.load.plan import Plan
from scaleworthy.load.steps import Scenario
from scaleworthy.load.target import Resolve, system_resolve
from scaleworthy.load.ways import find_ways
from scaleworthy.series import Store

_TICK_TIMEOUT_S = 0.25
_AT_MOST_NS = 600 * 10**9
"""How long what runs once may take."""


def begin(plan: Plan, *, owned: Collection[str] = (), resolve: Resolve = system_resolve) -> dict[str, Any]:
    """Run the plan's `before`, if it has one, and return the values that it extracted or set.

    Raises:
        TargetError: A request of it failed: there is nothing that a load could be measured with.
    """
    if plan.before is None:
        return {}
    return _run_once(plan, "before", plan.before, {}, owned, resolve)


def finish(
    plan: Plan,
    store: Store,
    *,
    given: Mapping[str, Any],
    owned: Collection[str] = (),
    resolve: Resolve = system_resolve,
    clock: Callable[[], float] = time.time,
) -> None:
    """Run the plan's `after`; where it fails, *store* has an event that says so: what was measured stays measured."""
    if plan.after is None:
        return
    try:
        _run_once(plan, "after", plan.after, given, owned, resolve)
    except ScaleworthyError as error:
        store.add_event(clock(), "after", error.message)


def _run_once(
    plan: Plan,
    what: str,
    steps: Sequence[Any],
    given: Mapping[str, Any],
    owned: Collection[str],
    resolve: Resolve,
) -> dict[str, Any]:
    run = _prepared(plan.with_variables(given), what, steps, owned, resolve)
    run.start()
    failed = 0.0
    while not run.finished:
        tick = run.next_tick(timeout_s=_TICK_TIMEOUT_S)
        for name, _, _, _, value in tick.slices if tick is not None else ():
            if name == "load.failed" and isinstance(value, float):
                failed += value
    if failed:
        example = "; ".join(run.error_examples().values())
        raise TargetError(f"{what} failed: {example}", hint=f"{what} runs once, and each of its requests must hold")
    return {name: json.loads(text) for name, text in run.values().items()}


def _prepared(plan: Plan, what: str, steps: Sequence[Any], owned: Collection[str], resolve: Resolve) -> Run:
    scenario = Scenario.model_construct(name=what, weight=1.0, cookies=True, steps=list(steps))
    once = plan.model_copy(
        update={"scenarios": [scenario], "python": None, "threads": 1, "headers": plan.headers_for(steps)}
    )
    native = find_ways(once, owned=owned, resolve=resolve).native(once)
    native |= {
        "load": {"kind": "closed", "stages": [{"duration_ns": _AT_MOST_NS, "from": 1.0, "to": 1.0}], "count": 1},
        "keep_values": True,
    }
    try:
        return Run(plan_json=json.dumps(native))
    except ValueError as error:
        raise UsageError(f"the engine refuses {what}: {error}") from error
