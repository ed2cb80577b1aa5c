"""scaleworthy.yaml: what to assess, what must hold, where the database and the processes are, and what growth means here.

Wrong types and unknown fields are refused; every problem is listed at once, with its line. `${NAME}` in a text is replaced by
the environment variable, so that secrets need not stand in the file; messages show the name, never the value.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, PlainValidator, PrivateAttr, ValidationError

from scaleworthy.capacity import Assumptions, PriceBook, Size, load_prices
from scaleworthy.errors import InvalidInput, UsageError
from scaleworthy.load import Plan, load_plan
from scaleworthy.load.base import Bytes, PlanPart, Rate, shown
from scaleworthy.load.http import Headers, HttpSettings, TargetUrl
from scaleworthy.load.objectives import ObjectiveText
from scaleworthy.load.problems import located, path_text
from scaleworthy.load.yaml_lines import Loc, line_of, read_yaml

FILE_NAME = "scaleworthy.yaml"
OBJECTIVES = ("p95 < 500ms", "failed < 1%")
_VARIABLE = re.compile(r"\$\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)\}")
_DATABASE = re.compile(r"postgres(ql)?://|(\w+=\S)")
_CACHE = re.compile(r"(redis|rediss|valkey|valkeys|unix)://")
_ROLE = re.compile(r"[a-z][a-z0-9_-]*")
COMMAND_LEAST = 2
_HIDDEN_LEAST = 3
"""Shortest value of an environment variable that is hidden in messages; shorter ones would hide half of the text."""
_PLAN_PARTS = ("scenarios", "variables", "feeders")
Above = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Share = Annotated[float, Field(gt=0, le=1)]


def _one_or_many(value: Any) -> Any:
    return [value] if isinstance(value, str | int) and not isinstance(value, bool) else value


def _database(value: Any) -> Any:
    if isinstance(value, str) and not _DATABASE.match(value.strip()):
        raise ValueError("must be a libpq DSN, such as postgresql://user@host/database or 'host=… dbname=…'")
    return value


def _cache(value: Any) -> Any:
    if isinstance(value, str) and not _CACHE.match(value.strip()):
        raise ValueError("must be a URL such as redis://127.0.0.1:6379/0")
    return value


def _process(value: Any) -> int | str:
    if isinstance(value, bool) or not isinstance(value, int | str) or (isinstance(value, int) and value < 1):
        raise ValueError(f"must be a process id, or text from its command line, got {shown(value)}")
    if isinstance(value, str) and len(value.strip()) < COMMAND_LEAST:
        raise ValueError(
            f"text of {COMMAND_LEAST} characters or more from the command line is needed, got {shown(value)}"
        )
    return value


def _role(value: Any) -> str:
    if not isinstance(value, str) or not _ROLE.fullmatch(value):
        raise ValueError(f"a role is a word in small letters, such as http or postgres, got {shown(value)}")
    return value


def _scenario(value: Any) -> Any:
    if value is not None and not isinstance(value, str | dict):
        raise ValueError(f"must be the name of a plan file, or a mapping with scenarios, got {shown(value)}")
    return value


Processes = Annotated[
    list[Annotated[int | str, PlainValidator(_process)]], BeforeValidator(_one_or_many), Field(min_length=1)
]


class SizeConfig(PlanPart):
    """One size at which growth is asked about."""

    name: Annotated[str, Field(min_length=1, max_length=40)]
    users: Annotated[int, Field(gt=0)]
    concurrent: Annotated[int, Field(gt=0)]
    queries_per_day: Annotated[int, Field(ge=0)] = 0
    data_bytes: Bytes = Field(alias="data")


class GrowthConfig(PlanPart):
    """What growth is planned with; every field has a default, docs/capacity.md gives them and their reasons."""

    users: Annotated[int, Field(gt=0)] | None = None
    requests_per_user_per_minute: Above | None = None
    peak_factor: Annotated[float, Field(ge=1, allow_inf_nan=False)] | None = None
    mean_to_peak: Share | None = None
    utilisation_most: Share | None = None
    spare_from_users: Annotated[int, Field(gt=0)] | None = None
    storage_factor: Annotated[float, Field(ge=1, allow_inf_nan=False)] | None = None
    hot_ratio: Share | None = None
    replicas_most: Annotated[int, Field(ge=0)] | None = None
    core_ratio: Above | None = None
    sizes: Annotated[list[SizeConfig], Field(min_length=1, max_length=20)] | None = None

    def assumptions(self) -> Assumptions:
        """Return the assumptions, with the defaults where the file says nothing."""
        known = {field.name for field in fields(Assumptions)}
        given = {
            name: value for name in known & type(self).model_fields.keys() if (value := getattr(self, name)) is not None
        }
        if self.sizes is not None:
            given["sizes"] = tuple(
                Size(size.name, size.users, size.concurrent, size.queries_per_day, size.data_bytes)
                for size in self.sizes
            )
        return replace(Assumptions(users_now=self.users), **given)


class Config(PlanPart):
    """A whole scaleworthy.yaml.

    Attributes:
        target: The service's address.
        scenario: A plan file, or its parts inline; None lets `/openapi.json`, or the address alone, give the scenario.
        objectives: What must hold, as expressions over series.
        baseline_per_s: The low load at which latency is compared.
        database: libpq DSN of the service's PostgreSQL; read only.
        processes: Role → process ids, or text that a process's command line contains.
        pool: Connections that the service's pools may open together.
        prices: A price book of your own.
        i_own: Hosts, other than this machine, that you run and may load.
    """

    target: TargetUrl
    scenario: Annotated[str | dict[str, Any] | None, PlainValidator(_scenario)] = None
    headers: Headers = Field(default_factory=dict)
    http: HttpSettings = Field(default_factory=lambda: HttpSettings.model_validate({}))
    objectives: Annotated[list[ObjectiveText], Field(min_length=1)] = Field(default_factory=lambda: list(OBJECTIVES))
    baseline_per_s: Rate = Field(10.0, alias="baseline")
    database: Annotated[str, BeforeValidator(_database)] | None = None
    cache: Annotated[str, BeforeValidator(_cache)] | None = None
    processes: dict[Annotated[str, PlainValidator(_role)], Processes] = Field(default_factory=dict)
    pool: Annotated[int, Field(gt=0)] | None = None
    prices: str | None = None
    growth: GrowthConfig = Field(default_factory=lambda: GrowthConfig.model_validate({}))
    i_own: Annotated[list[str], BeforeValidator(_one_or_many)] = Field(default_factory=list)
    seed: Annotated[int, Field(ge=0, lt=2**63)] | None = None

    _plan: Plan | None = PrivateAttr(None)
    _prices: PriceBook | None = PrivateAttr(None)

    @property
    def plan(self) -> Plan | None:
        """The plan that the scenario gives; None where the service's own description is to give it."""
        return self._plan

    @property
    def price_book(self) -> PriceBook | None:
        """The user's price book, or None for the one that ships."""
        return self._prices

    def process_ids(self, running: Iterable[tuple[int, str]]) -> dict[str, list[int]]:
        """Return role → process ids, each command pattern looked up among *running* (pid, command line).

        Raises:
            UsageError: A pid does not run, or nothing runs whose command line has the text; every such role is named.
        """
        known = dict(running)
        found: dict[str, list[int]] = {}
        problems = []
        for role, wanted in self.processes.items():
            ids: list[int] = []
            for one in wanted:
                hits = [
                    pid for pid, command in known.items() if (one == pid if isinstance(one, int) else one in command)
                ]
                if not hits:
                    what = f"process {one}" if isinstance(one, int) else f"a process with {one!r} in its command line"
                    problems.append(f"processes.{role}: {what} does not run")
                ids += hits
            found[role] = sorted(set(ids))
        if problems:
            raise UsageError(
                "; ".join(problems), hint="start the service first, or correct processes in scaleworthy.yaml"
            )
        return found


def load_config(path: Path | str = FILE_NAME, *, environ: Mapping[str, str] | None = None) -> Config:
    """Return the configuration in *path*, with its plan and price book read.

    Args:
        environ: Where `${NAME}` is looked up; the process's environment by default.

    Raises:
        UsageError: The file cannot be read.
        InvalidInput: Every problem, each as `scaleworthy.yaml:12: growth.peak_factor: must be at least 1, got 0.5`.
    """
    path = Path(path)
    data, lines = read_yaml(path, what="configuration", wanted="target", hint="scaleworthy init writes one")
    found = _Problems(path, lines)
    used: dict[str, str] = {}
    data = _with_variables(data, (), os.environ if environ is None else environ, used, found)
    found.hidden = used
    config: Config | None = None
    try:
        config = Config.model_validate(data)
    except ValidationError as error:
        for loc, text in located(error, Config):
            found.add(loc, text)
    plan = _plan(data, config, path, found)
    prices = _prices(data, path, found)
    found.raise_any()
    assert config is not None
    config._plan, config._prices = plan, prices  # noqa: SLF001 (made here, frozen for everyone else)
    return config


class _Problems:
    """The problems of one file, in the order of its lines, with secrets taken out."""

    def __init__(self, path: Path, lines: dict[Loc, int]) -> None:
        self.path, self.lines = path, lines
        self.hidden: Mapping[str, str] = {}
        self._found: list[tuple[int, str]] = []

    def add(self, loc: Loc, text: str) -> None:
        """Note a problem at a place of the file."""
        where = path_text(loc)
        self._found.append((line_of(loc, self.lines), f"{where}: {text}" if where else text))

    def raise_any(self) -> None:
        """Raise InvalidInput when there is a problem."""
        if not self._found:
            return
        lines = [f"{self.path.name}:{line}: {self._masked(text)}" for line, text in sorted(dict.fromkeys(self._found))]
        raise InvalidInput(str(self.path), lines, hint="docs/reference/config.md lists every field")

    def _masked(self, text: str) -> str:
        for name, value in self.hidden.items():
            if len(value) >= _HIDDEN_LEAST:
                text = text.replace(value, f"${{{name}}}")
        return text


def _with_variables(node: Any, loc: Loc, environ: Mapping[str, str], used: dict[str, str], found: _Problems) -> Any:
    """Return *node* with every `${NAME}` replaced; names that are not set are problems."""
    if isinstance(node, dict):
        return {name: _with_variables(value, (*loc, name), environ, used, found) for name, value in node.items()}
    if isinstance(node, list):
        return [_with_variables(value, (*loc, at), environ, used, found) for at, value in enumerate(node)]
    if not isinstance(node, str):
        return node

    def value_of(match: re.Match[str]) -> str:
        name = match["name"]
        if name not in environ:
            found.add(loc, f"the environment variable {name} is not set")
            return match[0]
        used[name] = environ[name]
        return environ[name]

    return _VARIABLE.sub(value_of, node)


def _plan(data: Mapping[str, Any], config: Config | None, path: Path, found: _Problems) -> Plan | None:
    scenario = data.get("scenario")
    target = config.target.url if config is not None else "http://127.0.0.1/"
    if isinstance(scenario, str):
        try:
            plan = load_plan(path.parent / scenario, target=target)
        except InvalidInput as error:
            for problem in error.problems:
                found.add(("scenario",), problem)
            return None
        except UsageError as error:
            found.add(("scenario",), error.message)
            return None
        return _settled(plan, config)
    if not isinstance(scenario, dict):
        return None
    for name in scenario:
        if name not in _PLAN_PARTS:
            found.add(("scenario", name), f"unknown field; known are {', '.join(_PLAN_PARTS)}")
    parts = {name: value for name, value in scenario.items() if name in _PLAN_PARTS}
    shared = {name: data[name] for name in ("headers",) if config is not None and name in data}
    try:
        plan = Plan.model_validate({"target": target, **shared, **parts}, context={"folder": path.parent})
    except ValidationError as error:
        for loc, text in located(error, Plan):
            found.add(("scenario", *loc) if loc and loc[0] in _PLAN_PARTS else loc, text)
        return None
    return _settled(plan, config)


def _settled(plan: Plan, config: Config | None) -> Plan:
    """Return the plan with what the configuration says for all of it: objectives, seed, headers, connections."""
    if config is None:
        return plan
    return plan.model_copy(
        update={
            "objectives": list(config.objectives),
            "seed": config.seed if config.seed is not None else plan.seed,
            "headers": {**plan.headers, **config.headers},
            **({"http": config.http} if "http" in config.model_fields_set else {}),
        }
    )


def _prices(data: Mapping[str, Any], path: Path, found: _Problems) -> PriceBook | None:
    name = data.get("prices")
    if not isinstance(name, str):
        return None
    try:
        return load_prices(path.parent / name)
    except InvalidInput as error:
        for problem in error.problems:
            found.add(("prices",), problem)
    except UsageError as error:
        found.add(("prices",), error.message)
    return None
