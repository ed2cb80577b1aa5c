"""Make an engine ready for a plan, and put into the store what a reader of its numbers needs."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import asdict
from typing import Any

from scaleworthy._native import Run
from scaleworthy.errors import ScaleworthyError, UsageError
from scaleworthy.load.engine import Engine, InProcess
from scaleworthy.load.fleet.coordinator import Fleet
from scaleworthy.load.host import host_facts, version_facts
from scaleworthy.load.lookup import NameWatch
from scaleworthy.load.newcomers import Newcomers, Rules
from scaleworthy.load.plan import Plan
from scaleworthy.load.target import Resolve, system_resolve
from scaleworthy.load.ways import find_ways
from scaleworthy.load.workers import Limits, workers_for
from scaleworthy.series import Store


def prepare(
    plan: Plan,
    *,
    owned: Collection[str] = (),
    live: dict[str, Any] | None = None,
    resolve: Resolve = system_resolve,
) -> Engine:
    """Return the engine of *plan*, its target resolved, permitted and seen to listen; nothing is sent yet.

    That is the engine in this process, or a fleet of worker processes that are ready: `workers.workers_for` says which.
    """
    ways = find_ways(plan, owned=owned, resolve=resolve)
    workers = workers_for(plan, addresses=ways.pairs(plan), limits=Limits.of_this_machine(), live=live is not None)
    native = ways.native(plan, live=live)
    try:
        run = Run(plan_json=json.dumps(native))
        python = plan.to_python()
        rules = Rules.of_plan(plan, owned=owned)
        engine: Engine
        if workers == 1 and python is None:
            engine = InProcess(run)
            Newcomers(run, rules, resolve=resolve).begin()
        else:
            engine = Fleet(native, workers=workers, threads=plan.threads, python=python, names=rules.to_order())
    except ScaleworthyError:
        raise
    except ValueError as error:
        raise UsageError(f"the engine refuses the plan: {error}") from error
    if plan.http.dns_ttl_ns is not None:
        NameWatch(engine, ways.names, ttl_s=plan.http.dns_ttl_ns / 1e9, owned=owned, resolve=resolve).begin()
    return engine


def record_facts(plan: Plan, store: Store, *, at_s: float, threads: int) -> None:
    """Put into *store* what a reader of its numbers needs: plan (without secrets), seed, host, versions."""
    facts: dict[str, Any] = {
        "plan": plan.public(),
        "target": plan.target.url,
        "shape": plan.load.describe(),
        "seed": plan.seed,
        "speed": "declarative" if plan.python is None else "python",
        "objectives": plan.objective_facts,
        "warm_up_s": (plan.load.warm_up_ns or 0) / 1e9,
        "breach": None,
        "connections_max": plan.http.connections_max,
        "threads": threads,
        "started_at": at_s,
        "ended_at": None,
        "window": None,
        "interrupted": None,
        "workers": [],
        "notes": [],
        "error_examples": {},
    }
    for name, value in facts.items():
        store.put_fact("load", name, value)
    store.put_fact("run", "host", host_facts())
    store.put_fact("run", "versions", version_facts())


def record_processes(engine: Engine, store: Store) -> None:
    """Put into *store* what each process of the generator cost, and what must be known of how the numbers came about."""
    store.put_fact("load", "workers", [asdict(worker) for worker in engine.report()])
    store.put_fact("load", "notes", engine.notes())
