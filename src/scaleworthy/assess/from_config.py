"""A subject from scaleworthy.yaml: what the file leaves out is found on the target itself."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import psutil

from scaleworthy.assess.from_url import subject_from_url
from scaleworthy.assess.subject import Subject
from scaleworthy.config import Config
from scaleworthy.load.target import check_reachable, permitted_addresses


def subject_from_config(config: Config) -> Subject:
    """Return what *config* says is to be assessed.

    Raises:
        UsageError: A host that is not ours to load, or a process that does not run.
        TargetError: Nothing answers at the target.
    """
    processes = config.process_ids(_running())
    if config.plan is None:
        subject = subject_from_url(
            config.target.url,
            objectives=config.objectives,
            database=config.database,
            cache=config.cache,
            processes=processes,
            headers=config.headers,
            owned=config.i_own,
        )
    else:
        plan = config.plan
        check_reachable(plan.target, permitted_addresses(plan.target, owned=config.i_own), plan.http)
        subject = Subject(
            name=f"{plan.target.host}:{plan.target.port}",
            plan=plan,
            objectives=tuple(config.objectives),
            database=config.database,
            cache=config.cache,
            processes=processes,
        )
    plan = subject.plan if config.seed is None else subject.plan.changed(seed=config.seed)
    return replace(
        subject,
        plan=plan,
        baseline_per_s=config.baseline_per_s,
        pool_connections=config.pool,
        hosts_owned=tuple(config.i_own),
    )


def _running() -> Iterator[tuple[int, str]]:
    """Yield id and command line of every process that we may see, but our own."""
    own = psutil.Process().pid
    for process in psutil.process_iter(["pid", "cmdline"]):
        command = " ".join(process.info["cmdline"] or ())
        if command and process.info["pid"] != own:
            yield process.info["pid"], command
