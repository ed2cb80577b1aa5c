"""A subject from a URL alone: its OpenAPI description gives the scenario where there is one, otherwise the URL itself does."""

from __future__ import annotations

import http.client
import ssl
import urllib.error
import urllib.request
from collections.abc import Collection, Mapping, Sequence
from urllib.parse import urljoin

from scaleworthy.assess.openapi import Answer, Fetch, discover
from scaleworthy.assess.subject import Subject
from scaleworthy.errors import TargetError
from scaleworthy.load import Plan, plan_for_url
from scaleworthy.load.target import check_reachable, permitted_addresses

OBJECTIVES = ("p95 < 500ms", "failed < 1%")
TRIAL_TIMEOUT_S = 10.0
BODY_MOST_BYTES = 16 * 2**20


def subject_from_url(
    url: str,
    *,
    objectives: Sequence[str] = OBJECTIVES,
    database: str | None = None,
    cache: str | None = None,
    processes: Mapping[str, Sequence[int]] | None = None,
    headers: Mapping[str, str] | None = None,
    owned: Collection[str] = (),
) -> Subject:
    """Return what an assessment of *url* loads: safe methods only.

    Raises:
        UsageError: The host is not loopback and not among *owned*, or the URL cannot be read.
        TargetError: Nothing answers there.
    """
    single = plan_for_url(url, headers=headers, objectives=objectives)
    check_reachable(single.target, permitted_addresses(single.target, owned=owned), single.http)
    fetch = _fetch(url, headers or {}, insecure=single.http.insecure)
    described = discover(fetch)
    gaps: list[str] = []
    plan = single
    if described is not None and described.steps:
        plan = _plan_of(single, described.steps)
        gaps += [f"not loaded: {line}" for line in described.left_out]
    else:
        trial = fetch("")
        if trial.status is None or trial.status >= 400:
            raise TargetError(
                f"{url} {f'answered {trial.status}' if trial.status else 'did not answer'} when it was tried once"
                f"{f': {trial.why}' if trial.why else ''}",
                hint="name a URL that answers below 400, or write a scenario into scaleworthy.yaml (scaleworthy init)",
            )
        why = "its OpenAPI description offers nothing that answers" if described else "it has no /openapi.json"
        gaps.append(f"only GET {url} was loaded: {why}; name a scenario in scaleworthy.yaml for the real mix")
    return Subject(
        name=single.target.host + (f":{single.target.port}" if single.target.port not in (80, 443) else ""),
        plan=plan,
        objectives=tuple(objectives),
        database=database,
        cache=cache,
        processes=processes or {},
        gaps=tuple(gaps),
    )


def _plan_of(single: Plan, steps: Sequence[Mapping[str, object]]) -> Plan:
    """One scenario a step, so that the rate is requests per second and each step weighs the same."""
    scenarios = [{"name": step["name"], "weight": 1, "steps": [dict(step)]} for step in steps]
    return single.changed(scenarios=scenarios)


def _fetch(url: str, headers: Mapping[str, str], *, insecure: bool) -> Fetch:
    context = ssl.create_default_context()
    if insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE

    def fetch(path: str) -> Answer:
        request = urllib.request.Request(urljoin(url, path), headers=dict(headers))  # noqa: S310 - http(s) was checked
        try:
            with urllib.request.urlopen(request, timeout=TRIAL_TIMEOUT_S, context=context) as answer:  # noqa: S310
                return Answer(answer.status, answer.read(BODY_MOST_BYTES))
        except urllib.error.HTTPError as error:
            with error:
                return Answer(error.code, b"")
        except http.client.HTTPException as error:
            return Answer(None, b"", f"what came back is not HTTP ({type(error).__name__})")
        except (OSError, ValueError) as error:
            return Answer(None, b"", str(getattr(error, "reason", error)))

    return fetch
