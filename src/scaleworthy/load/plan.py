"""A Plan: what shall be done, typed and complete, whichever front end it came from.

`Plan.model_validate` takes the form of a plan file (docs/reference/plan.md). `to_native` gives the engine's form, with every
address resolved, every file read and every default filled in.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Self, get_type_hints

from pydantic import Field, TypeAdapter, ValidationError, ValidationInfo, model_validator

from scaleworthy.errors import InvalidInput
from scaleworthy.load.base import SECOND_NS, Duration, PlanPart
from scaleworthy.load.calls import spoken_version
from scaleworthy.load.feeders import Feeder
from scaleworthy.load.flow import Value
from scaleworthy.load.http import Headers, HttpSettings, Proxy, Target, TargetUrl
from scaleworthy.load.lookup import Lookup
from scaleworthy.load.masking import masked
from scaleworthy.load.names import all_given, environment_of, missing_names, problem
from scaleworthy.load.objectives import PlanObjective
from scaleworthy.load.origins import OriginUrl, number_origins, other_origins
from scaleworthy.load.problems import describe
from scaleworthy.load.replay import read_recorded, replayed
from scaleworthy.load.scenarios.file import PythonFile
from scaleworthy.load.shapes import Load
from scaleworthy.load.steps import Scenario, Steps
from scaleworthy.load.template import environment_name, is_known, names_in


class Plan(PlanPart):
    """A whole load test.

    Attributes:
        target: The service's address.
        origins: Further origins that redirects may lead to; those that steps name count by themselves.
        python: A file of Python scenarios, in place of `scenarios`.
        before: Steps that run once before the load, and are no part of it; what they extract or set, every user has.
        after: The same after the load.
        headers: Sent with every request; a step's own header of the same name wins.
        variables: Values for templates, the same for every request.
        load: How much, for how long.
        objectives: What must hold, over the whole run or parts of it.
        seed: Repeats the same random choices; drawn, and recorded, where it is None.
        apdex_ns: The response time that satisfies; the summary then has an apdex.
        grace_ns: How long unfinished requests may take after the run's end before they are cut.
        threads: Engine threads, over all worker processes; as many as the load asks for where it is None.
        workers: Processes that carry the plan out; where it is None, as few as can open its connections.
    """

    target: TargetUrl
    origins: list[OriginUrl] = Field(default_factory=list)
    headers: Headers = Field(default_factory=dict)
    http: HttpSettings = Field(default_factory=lambda: HttpSettings.model_validate({}))
    variables: dict[str, Value] = Field(default_factory=dict)
    feeders: list[Feeder] = Field(default_factory=list)
    scenarios: Annotated[list[Scenario], Field(min_length=1, max_length=1_000)] = Field(default_factory=list)
    before: Steps | None = None
    after: Steps | None = None
    python: PythonFile | None = None
    load: Load = Field(default_factory=lambda: Load.model_validate({"users": 10}))
    objectives: list[PlanObjective] = Field(default_factory=list)
    seed: Annotated[int, Field(ge=0, lt=2**63)] | None = None
    apdex_ns: Duration | None = Field(None, alias="apdex")
    grace_ns: Duration = Field(5 * SECOND_NS, alias="grace")
    threads: Annotated[int, Field(ge=1, le=256)] | None = None
    workers: Annotated[int, Field(ge=1, le=64)] | None = None

    @model_validator(mode="before")
    @classmethod
    def _take_requests_from_the_recording(cls, data: Any, info: ValidationInfo) -> Any:
        load = data.get("load") if isinstance(data, dict) and "scenarios" not in data else None
        if not isinstance(load, dict) or not isinstance(load.get("replay"), str):
            return data
        try:
            recorded = read_recorded(Path((info.context or {}).get("folder", ".")) / load["replay"])
        except ValueError:
            return {
                **data,
                "scenarios": [{"name": "replay", "steps": [{"get": "/"}]}],
            }  # `load` says what is wrong with it
        if not recorded.has_requests:
            raise ValueError(f"{load['replay']!r} records times alone, not requests: say in 'scenarios' what arrives")
        scenarios, feeder = replayed(recorded)
        feeders = [*data.get("feeders", ()), feeder]
        return {**data, "scenarios": scenarios, "feeders": feeders, "load": {**load, "replay_requests": True}}

    @model_validator(mode="after")
    def _takes_the_settings_of_the_scenarios(self) -> Self:
        settings = self.python.settings if self.python is not None else {}
        if not settings:
            return self
        own = self.model_fields_set
        taken = {name: value for name, value in settings.items() if name not in own}
        if "http" in settings and "http" in own:
            taken["http"] = settings["http"].with_own(self.http)
        if "headers" in settings and "headers" in own:
            given = {name.lower() for name in self.headers}
            below = {name: value for name, value in settings["headers"].items() if name.lower() not in given}
            taken["headers"] = below | self.headers
        return self.model_copy(update=taken)

    @model_validator(mode="after")
    def _says_what_users_do(self) -> Self:
        if not self.scenarios and self.python is None:
            raise ValueError("scenarios: is required")
        if self.scenarios and self.python is not None:
            raise ValueError("python: is in place of 'scenarios'; leave one of them out")
        return self

    @model_validator(mode="after")
    def _every_template_has_a_value(self) -> Self:
        always = {*self.variables}
        problems = missing_names(self.before or [], "before", always)
        once = set(always)
        always |= {column for feeder in self.feeders for column in feeder.columns}
        given = {name for scenario in self.scenarios for name in all_given(scenario.steps)}
        problems += [
            problem("headers", name, always)
            for value in self.headers.values()
            for name in names_in(value)
            if environment_name(name) is None and not is_known(name, always | given)
        ]
        if self.python is not None:
            problems += [
                f"headers: {name}: a Python scenario's requests render no templates, got {value!r};"
                " set it in Python: Settings(headers=...), or user.headers"
                for name, value in self.headers.items()
                if "{{" in value
            ]
        for number, scenario in enumerate(self.scenarios):
            problems += missing_names(scenario.steps, f"scenarios[{number}].steps", set(always))
        problems += missing_names(self.after or [], "after", once)
        if (wrong := self.http.problem_with(self.target)) is not None:
            problems.append(wrong)
        if problems:
            raise ValueError("\n".join(dict.fromkeys(problems)))
        names = [scenario.name for scenario in self.scenarios]
        if len(set(names)) < len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise ValueError(f"scenarios: two are named {twice!r}; results are kept by name")
        return self

    @model_validator(mode="after")
    def _judges_stages_that_are_there(self) -> Self:
        if problems := self.problems_of_objectives():
            raise ValueError("\n".join(problems))
        return self

    def problems_of_objectives(self) -> list[str]:
        """Return what is wrong with the stages that objectives speak of."""
        problems = []
        for at, objective in enumerate(self.objectives):
            try:
                objective.stage_in(self.load.stage_spans)
            except ValueError as error:
                problems.append(f"objectives[{at}].{error}")
        return problems

    @property
    def search_objectives(self) -> tuple[str, ...]:
        """What a search for the limit must hold: a search has no stages, so what is about one is left out."""
        return tuple(objective.text for objective in self.objectives if objective.stage is None)

    @property
    def objective_facts(self) -> list[dict[str, Any]]:
        """What a recording keeps of the objectives (`load.judging`)."""
        spans, warm_up_s = self.load.stage_spans, (self.load.warm_up_ns or 0) / SECOND_NS
        return [objective.to_fact(spans, warm_up_s=warm_up_s) for objective in self.objectives]

    def with_rate(self, per_s: float, *, seconds: float) -> Self:
        """Return the plan with *per_s* scenario starts per second, Poisson, for *seconds*."""
        return self.changed(load={"rate": f"{per_s:.12g}/s", "for": f"{round(seconds * 1e9)}ns"})

    def with_users(self, users: int, *, seconds: float) -> Self:
        """Return the plan with *users* concurrent users for *seconds*."""
        return self.changed(load={"users": users, "for": f"{round(seconds * 1e9)}ns"})

    def changed(self, **fields: Any) -> Self:
        """Return the plan with these fields, given in the plan file's form, in place of its own.

        Raises:
            InvalidInput: A field is not what the plan file's form allows.
        """
        wanted = get_type_hints(type(self), include_extras=True)
        made: dict[str, Any] = {}
        problems: list[str] = []
        for name, value in fields.items():
            adapter: TypeAdapter[Any] = TypeAdapter(wanted[name])
            try:
                made[name] = adapter.validate_python(value, strict=True)
            except ValidationError as error:
                problems += [f"{where}: {text}" for where, text in describe(error, type(self), below=(name,))]
        changed = self.model_copy(update=made)
        problems += changed.problems_of_objectives() if not problems else []
        if not problems and (wrong := changed.http.problem_with(changed.target)) is not None:
            problems.append(wrong)
        if problems:
            raise InvalidInput("the plan", problems)
        return changed

    def headers_for(self, steps: Sequence[Any]) -> dict[str, str]:
        """Return the plan's headers without those that ask for what only scenarios or feeders give."""
        known = {*self.variables, *all_given(steps)}
        return {
            name: value
            for name, value in self.headers.items()
            if all(environment_name(inner) is not None or is_known(inner, known) for inner in names_in(value))
        }

    def with_variables(self, given: Mapping[str, Any]) -> Self:
        """Return the plan with these values beside its own variables; of the same name they win."""
        return self.model_copy(update={"variables": self.variables | dict(given)}) if given else self

    def seeded(self) -> Self:
        """Return the plan with a seed: its own, or one drawn now."""
        return self if self.seed is not None else self.model_copy(update={"seed": secrets.randbelow(2**32)})

    @property
    def other_origins(self) -> list[Target]:
        """Where requests and redirects may go beside the target, in the order of their numbers in the engine."""
        return other_origins(self.target, self.origins, self._native_scenarios())

    def _native_scenarios(self) -> list[dict[str, Any]]:
        if self.python is not None:
            return self.python.to_native()
        return [scenario.to_native(self.target.base) for scenario in self.scenarios]

    @property
    def requests_per_start(self) -> float:
        """Requests that one scenario start makes, on average over the weights."""
        if self.python is not None:
            return 1.0  # only the file's own code knows
        weights = sum(scenario.weight for scenario in self.scenarios)
        return sum(scenario.weight * scenario.requests for scenario in self.scenarios) / weights

    def to_python(self) -> dict[str, Any] | None:
        """Return what worker processes must know of Python scenarios; None for a plan without."""
        if self.python is None:
            return None
        return {
            "file": str(self.python.file),
            "setup": self.python.has_setup,
            "teardown": self.python.has_teardown,
            "target": self.target.url,
            "origins": [origin.url for origin in self.other_origins],
            "seed": self.seed,
        }

    def describe(self) -> str:
        """Return target and shape in one line."""
        return f"{self.target.url}: {self.load.describe()}"

    def public(self) -> dict[str, Any]:
        """Return the plan in the plan file's form without its secrets, for recordings and reports.

        Values of headers, variables and fields whose names tell of a secret are masked, bodies given as text and feeders'
        rows are named by their size only.
        """
        data = self.model_dump(by_alias=True, exclude_defaults=True, mode="json")
        for feeder, made in zip(data.get("feeders", ()), self.feeders, strict=False):
            feeder.pop("rows", None)
            feeder |= {"columns": made.columns, "row_count": len(made.table)}
        hidden: dict[str, Any] = masked(data)
        return hidden

    def to_native(
        self,
        *,
        addresses: Sequence[str],
        lookup_ns: int | None = None,
        others: Sequence[Lookup] = (),
        proxy: Lookup | None = None,
        live: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Return the engine's form (ARCHITECTURE.md, The plan that crosses the border).

        Args:
            addresses: What the target's host resolved to; the engine connects to these alone.
            lookup_ns: How long that took; None where the host is an address.
            others: The same for each of `other_origins`.
            proxy: The same for the plan's proxy.
            live: The load of a run that is steered: the engine's `load`, kept at its last level until it is stopped.
        """
        assert self.seed is not None, "a plan is seeded before it runs"
        scenarios, origins = self._native_scenarios(), self.other_origins
        version = spoken_version(self.http, self.target, scenarios)
        number_origins(self.target, origins, scenarios)
        return {
            "target": _native_origin(self.target, Lookup(tuple(addresses), lookup_ns)),
            "origins": [_native_origin(*pair) for pair in zip(origins, others, strict=True)],
            "tls": self.http.native_tls(),
            "proxy": _native_proxy(self.http.proxy, proxy) if proxy is not None else None,
            "http": {
                "connections_max": self.http.connections_max,
                "timeout_ns": self.http.timeout_ns,
                "connect_timeout_ns": self.http.connect_timeout_ns,
                "redirects_max": self.http.redirects_max,
                "body_bytes_max": self.http.body_max_bytes,
                "keep_alive": self.http.keep_alive,
                "source_addresses": self.http.source_addresses,
                "connection_per_user": self.http.connection_per_user,
                "version": version,
                "streams_max": self.http.streams_max,
            },
            "headers": self._native_headers(),
            "variables": self.variables | environment_of([scenarios, self.headers]),
            "feeders": [feeder.to_native() for feeder in self.feeders],
            "scenarios": scenarios,
            "load": dict(live) if live is not None else self._native_load(),
            "grace_ns": self.grace_ns,
            "threads": self.threads,
            "seed": self.seed,
            "live": live is not None,
        }

    def _native_load(self) -> dict[str, Any]:
        """Return the engine's load; no more is started than rows that are handed out once are there for."""
        native = self.load.to_native()
        lasts = [feeder.lasts for feeder in self.feeders if feeder.lasts is not None]
        if lasts:
            visits = native.get("iterations", {}).get("max", 1)
            starts = max(min(lasts) // visits, 1)
            native["count"] = min(starts, native["count"]) if native.get("count") is not None else starts
        return native

    def _native_headers(self) -> list[list[str]]:
        from scaleworthy import __version__

        headers = [[name.lower(), value] for name, value in self.headers.items()]
        if "user-agent" not in {name for name, _ in headers}:
            headers.insert(0, ["user-agent", f"scaleworthy/{__version__}"])
        return headers


def make_plan(data: Mapping[str, Any], *, folder: Path | None = None, what: str = "the plan") -> Plan:
    """Return the plan that *data* (the plan file's form) describes; files are looked for in *folder*.

    Raises:
        InvalidInput: Every problem, each with its path.
    """
    try:
        return Plan.model_validate(dict(data), context={"folder": folder or Path()})
    except ValidationError as error:
        raise InvalidInput(
            what, [f"{path}: {text}" if path else text for path, text in describe(error, Plan)]
        ) from None


def _native_origin(origin: Target, found: Lookup) -> dict[str, Any]:
    return {
        "scheme": origin.scheme,
        "host": origin.host,
        "port": origin.port,
        "addresses": list(found.addresses),
        "lookup_ns": found.took_ns,
    }


def _native_proxy(proxy: Proxy | None, found: Lookup) -> dict[str, Any] | None:
    if proxy is None:
        return None
    return {"port": proxy.port, "addresses": list(found.addresses), "authorization": proxy.authorization}
