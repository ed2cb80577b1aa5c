"""The plan a command line asks for: a URL, or a plan file with parts replaced."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scaleworthy.cli.results import say
from scaleworthy.errors import InvalidInput, UsageError
from scaleworthy.units import parse_duration_ns

if TYPE_CHECKING:
    from scaleworthy.load import Plan


_ADDRESS = re.compile(r"[\w.-]+:\d+(/.*)?|localhost(/.*)?")


def is_url(text: str) -> bool:
    """Return whether the positional argument is a URL rather than a plan file."""
    return "://" in text


def plan_from(
    source: str,
    *,
    target: str | None = None,
    load: Mapping[str, Any] | None = None,
    http: Mapping[str, Any] | None = None,
    workers: int | None = None,
    objectives: Sequence[str] = (),
    abort: bool = False,
    seed: int | None = None,
    environment: str | None = None,
) -> Plan:
    """Return the plan of *source*, the command line's parts put in place of its own; objectives replace the file's.

    What a front end has to say about the file (such as an Artillery script's keys that do nothing here) goes to standard error.

    Raises:
        UsageError: The source cannot be read, or a part is not what it should be; options are named as they are typed.
    """
    from scaleworthy.load import Wishes, plan_for_url, read_plan

    try:
        if is_url(source):
            if target is not None:
                raise UsageError(
                    "--target is for a plan file; the URL is the target already", hint="leave one of them out"
                )
            if environment is not None:
                raise UsageError("--environment is for an Artillery script, not for a URL", hint="leave it out")
            # A recording may bring its own requests: the URL is then only where they go.
            plan = plan_for_url(source, load=load if load and "replay" in load else None)
            load = None if load and "replay" in load else load
        elif _ADDRESS.fullmatch(source) and not Path(source).exists():
            raise UsageError(
                f"there is no plan file {source!r}, and a URL begins with http:// or https://",
                hint=f"write http://{source}",
            )
        else:
            wishes = Wishes(target=target, environment=environment, has_load=bool(load))
            imported = read_plan(source, wishes)
            for note in imported.notes:
                say(f"note: {note}")
            plan = imported.plan
        parts: dict[str, Any] = {}
        if load:
            parts["load"] = _load_of(plan, load)
        if objectives:
            parts["objectives"] = list(objectives)
        if abort:
            parts["objectives"] = _aborting(parts.get("objectives") or [item.model_dump() for item in plan.objectives])
        if seed is not None:
            parts["seed"] = seed
        if workers is not None:
            parts["workers"] = workers
        asked = {name: value for name, value in (http or {}).items() if value is not None}
        if asked:
            parts["http"] = asked
        if not parts:
            return plan
        changed = plan.changed(**parts)
        return changed.model_copy(update={"http": plan.http.with_own(changed.http)}) if asked else changed
    except InvalidInput as error:
        if error.what != "the plan":
            raise
        raise InvalidInput(
            "command line",
            [_as_options(problem) for problem in error.problems],
            hint="--help lists the options, docs/reference/objectives.md what an objective may say",
        ) from None


def _aborting(objectives: Sequence[Any]) -> list[dict[str, Any]]:
    """Return the objectives in the plan file's form, each of which ends the run when it is broken."""
    if not objectives:
        raise UsageError(
            "--abort-on-breach needs an objective", hint="add one, such as --objective 'p95 < 200ms over 10s'"
        )
    return [{**({"objective": item} if isinstance(item, str) else item), "abort": True} for item in objectives]


def _load_of(plan: Plan, load: Mapping[str, Any]) -> dict[str, Any]:
    """Return the load that the command line asks for; what it leaves open is the plan's own."""
    if "warm_up" in load:
        rest = {name: value for name, value in load.items() if name != "warm_up"}
        own = plan.load.model_dump(by_alias=True, exclude_defaults=True)
        return {**(_load_of(plan, rest) if rest else own), "warm_up": load["warm_up"]}
    if not load.keys() <= {"for", "count"}:
        return dict(load)
    if load.keys() == {"for"} and plan.load.stages is not None and isinstance(load["for"], str):
        return plan.load.within(parse_duration_ns(load["for"]))
    return {**_level_of(plan), **load}


def _level_of(plan: Plan) -> dict[str, Any]:
    """Return the plan's own rate or users and how they come, for a command line that says only how long or how often."""
    own = plan.load.model_dump(by_alias=True, exclude_defaults=True)
    return {name: value for name, value in own.items() if name not in ("for", "count", "stages")}


_OPTIONS = {
    "load.rate": "--rate",
    "load.users": "--users",
    "load.for": "--for",
    "load.count": "--count",
    "load.stages": "--stages",
    "load.arrivals": "--arrivals",
    "load.gamma_shape": "--gamma-shape",
    "load.users_arrive": "--users-arrive",
    "load.iterations": "--iterations",
    "load.intensity": "--intensity",
    "load.test": "--test",
    "load.replay": "--replay",
    "load.warm_up": "--warm-up",
    "load.replay_speed": "--replay-speed",
    "load": "load",
    "http.connections_max": "--connections-max",
    "http.version": "--http",
    "http.streams_max": "--streams-max",
    "http.insecure": "--insecure",
    "http.ca_file": "--ca",
    "http.proxy": "--proxy",
    "seed": "--seed",
    "workers": "--workers",
}


def _as_options(problem: str) -> str:
    path, _, text = problem.partition(": ")
    if path.startswith("objectives["):
        return f"--objective: {text}"
    if path == "load":
        for field, option in _OPTIONS.items():
            text = text.replace(f"'{field.removeprefix('load.')}'", option)
        return text
    return f"{_OPTIONS.get(path, path)}: {text}"
