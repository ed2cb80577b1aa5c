"""`scaleworthy capacity`: what limits a service and what growth needs, from recordings."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from scaleworthy.capacity import Assumptions, Capacity, assess_capacity, load_prices
from scaleworthy.capacity.from_recording import limit_of_runs, limits_of, together
from scaleworthy.capacity.text import as_text
from scaleworthy.cli.results import STDOUT, check_file, show, write_json
from scaleworthy.errors import RecordingError, UsageError
from scaleworthy.load.result import Limit
from scaleworthy.series import Recording, Store


def capacity(
    *recordings: Path,
    prices: Annotated[Path | None, Parameter(name="--prices")] = None,
    users_now: Annotated[int | None, Parameter(name="--users-now")] = None,
    requests_per_user: Annotated[float | None, Parameter(name="--requests-per-user")] = None,
    peak_factor: Annotated[float | None, Parameter(name="--peak-factor")] = None,
    pool: Annotated[int | None, Parameter(name="--pool")] = None,
    workers: Annotated[int | None, Parameter(name="--workers")] = None,
    json_to: Annotated[str | None, Parameter(name="--json", allow_leading_hyphen=True)] = None,
) -> int:
    """Say what limits a service, how far each resource carries, and what 10×, 100× and enterprise need and cost.

    Recordings with a search for the limit are assessed one by one; plain load runs are read together, as so many loads of
    the same service.

    Examples:

        scaleworthy capacity run.sw

        scaleworthy capacity low.sw high.sw --prices our-prices.toml --users-now 250

        scaleworthy capacity run.sw --json - | jq .assessments[0].growth

    Exit status: 0 assessed, 1 a recording that cannot be read or was not answered, 2 usage.

    Args:
        recordings: Files that load, find-limit or assess wrote.
        prices: Your price book (TOML); sections that it leaves out come from the shipped list prices.
        users_now: Users behind the data as it was measured. [default: those of the size 'baseline']
        requests_per_user: Requests a minute of one concurrent user. [default: 6]
        peak_factor: The busiest minute over the ordinary busy hour. [default: 2]
        pool: Database connections that the service's pools may open together. [default: seen, where the pool was full]
        workers: Processes of the service that answer requests, each good for one core. [default: counted]
        json_to: Write the assessment as JSON to this file, or - for standard output.
    """
    if not recordings:
        raise UsageError("capacity needs at least one recording", hint="scaleworthy capacity run.sw")
    check_file(json_to, "--json")
    book = load_prices(prices)
    assume = _assumptions(users_now, requests_per_user, peak_factor)
    found = {
        name: assess_capacity(
            store,
            limit,
            workers={"http": workers} if workers is not None else None,
            pool_connections=pool,
            prices=book,
            growth_assumptions=assume,
            own_prices=prices is not None,
        )
        for name, (store, limit) in _searches(recordings).items()
    }
    _write(found, json_to)
    return 0


def _searches(paths: tuple[Path, ...]) -> dict[str, tuple[Store, Limit]]:
    """Return every search in the recordings by name, and the plain runs together as one."""
    found: dict[str, tuple[Store, Limit]] = {}
    plain: list[Store] = []
    names: list[str] = []
    for path in paths:
        with Recording.open(path) as store:
            limits = limits_of(store)
            for name, limit in limits.items():
                found[name if len(paths) == 1 else f"{path.name}: {name}"] = (store, limit)
            if not limits:
                plain.append(store)
                names.append(path.name)
    if plain:
        limit_of_plain = limit_of_runs(plain)
        if limit_of_plain is None:
            raise RecordingError(
                f"{', '.join(names)}: nothing was answered, so capacity has nothing to go by",
                hint="record a run that is answered: scaleworthy load URL --rate 50/s --out run.sw",
            )
        found[", ".join(names)] = (together(plain), limit_of_plain)
    return found


def _assumptions(users_now: int | None, requests_per_user: float | None, peak_factor: float | None) -> Assumptions:
    problems = [
        f"{flag} must be above 0, got {value:g}"
        for flag, value in (
            ("--users-now", users_now),
            ("--requests-per-user", requests_per_user),
            ("--peak-factor", peak_factor),
        )
        if value is not None and not value > 0
    ]
    if problems:
        raise UsageError("; ".join(problems))
    assume = Assumptions(users_now=users_now)
    if requests_per_user is not None:
        assume = replace(assume, requests_per_user_per_minute=requests_per_user)
    return replace(assume, peak_factor=peak_factor) if peak_factor is not None else assume


def _write(found: dict[str, Capacity], json_to: str | None) -> None:
    if json_to is not None:
        data = {"schema": 1, "assessments": [{"name": name, **one.to_dict()} for name, one in found.items()]}
        write_json(data, json_to)
    if json_to != STDOUT:
        show("\n\n".join(as_text(name, one) for name, one in found.items()))
