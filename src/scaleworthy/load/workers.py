"""How many processes carry a plan out, and whether this machine lets them open what the plan asks for.

A declarative plan stays in this process: one engine thread sends more than most services answer, and threads share what a process
costs. It goes to worker processes where its connections are more than one process may open files, or where the plan asks for them
(`workers`, `--workers`).
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

from scaleworthy.errors import UsageError
from scaleworthy.load.health import open_files_max
from scaleworthy.load.plan import Plan

OTHER_FILES = 200
"""Files that a process needs besides its connections: libraries, pipes, a recording, what observes."""
PYTHON_EASY_USERS, PYTHON_EASY_PER_S = 200, 1_000
"""A load of Python scenarios up to which one process is enough."""
_PORTS = Path("/proc/sys/net/ipv4/ip_local_port_range")


@dataclass(frozen=True, slots=True)
class Limits:
    """What the system allows: connections of one process, and ports for connections to one address."""

    connections_per_process: int
    ports_per_address: int

    @classmethod
    def of_this_machine(cls) -> Limits:
        """Return this machine's, with this process's limit of open files raised as far as it may be."""
        return cls(max(open_files_max() - OTHER_FILES, 1), _ports())


def connections_needed(plan: Plan) -> int | None:
    """Return how many connections *plan* may have open at once; None where nothing bounds them."""
    load = plan.load.to_native()
    users = None
    if load["kind"] == "closed":
        users = int(max(level for stage in load["stages"] for level in (stage["from"], stage["to"])))
        if plan.http.keep_alive and plan.http.version in ("2", "2-prior-knowledge"):
            users = -(-users // plan.http.streams_max)
    return min((bound for bound in (plan.http.connections_max, users) if bound is not None), default=None)


def workers_for(plan: Plan, *, addresses: int, limits: Limits, live: bool = False) -> int:
    """Return how many processes carry *plan* out.

    Args:
        addresses: How many pairs of a source address and an address of the target there are.
        live: The level is steered, and may become anything.

    Raises:
        UsageError: The system cannot open what the plan asks for, or there is no connection or thread for each worker.
    """
    needed = connections_needed(plan)
    if needed is not None and needed > limits.ports_per_address * addresses:
        raise UsageError(
            f"{needed:,} connections to {plan.target.host} cannot be open at once: there are {addresses} pairs of a source address"
            f" and an address of the target, and {limits.ports_per_address:,} ports for each (net.ipv4.ip_local_port_range)",
            hint="ask for fewer with http.connections_max, or name more addresses of this machine in http.source_addresses",
        )
    least = 1 if needed is None else -(-needed // limits.connections_per_process)
    asked = plan.workers
    if asked is None:
        return least if plan.python is None else max(least, _workers_for_python(plan, live=live))
    if asked < least:
        raise UsageError(
            f"{needed:,} connections need at least {least} worker processes, got {asked}: one may open"
            f" {limits.connections_per_process:,} here",
            hint="leave 'workers' out, or raise the limit of open files (ulimit -Hn)",
        )
    for name, most in (("connections_max", plan.http.connections_max), ("threads", plan.threads)):
        if most is not None and most < asked:
            raise UsageError(
                f"{asked} workers share {most} {name}: each needs one", hint=f"ask for {most} workers at most"
            )
    return asked


def _workers_for_python(plan: Plan, *, live: bool) -> int:
    """One process a core, since Python code keeps one core busy at a time; but none without a user, a start or a connection.

    One is enough for a load that it carries easily, and the module's own state is then in one place. On the service's own
    machine it is half the cores: the service needs the rest, as with engine threads.
    """
    load = plan.load.to_native()
    top = max(level for stage in load["stages"] for level in (stage["from"], stage["to"]))
    if not live and top <= (PYTHON_EASY_USERS if load["kind"] == "closed" else PYTHON_EASY_PER_S):
        return 1
    cores = len(os.sched_getaffinity(0))
    bounds = [
        cores // 2 if _is_here(plan.target.host) else cores,
        plan.http.connections_max,
        plan.threads,
        None if live else load.get("count"),
    ]
    if load["kind"] == "closed" and not live:
        bounds.append(round(top))
    return max(min(bound for bound in bounds if bound is not None), 1)


def _is_here(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _ports() -> int:
    try:
        first, last = _PORTS.read_text().split()
    except (OSError, ValueError):
        return 28_232
    return int(last) - int(first) + 1
