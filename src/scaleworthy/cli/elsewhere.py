"""What other tools call our options: who comes from Locust, k6, wrk or oha is told the name here."""

from __future__ import annotations

import re

ELSEWHERE = {
    "-u": "use --users N",
    "--vus": "use --users N",
    "-r": "use --stages 10s:50,1m:50: up to 50 users in 10 s, then a minute of them",
    "--spawn-rate": "use --stages 10s:50,1m:50: up to 50 users in 10 s, then a minute of them",
    "--stage": "use --stages 10s:50,1m:50",
    "-t": "use --for TIME",
    "-d": "use --for TIME",
    "--run-time": "use --for TIME",
    "--duration": "use --for TIME",
    "-n": "use --count N",
    "-c": "use --users N, or --connections-max N with a rate",
    "--concurrency": "use --users N",
    "--rps": "use --rate N/s",
    "--qps": "use --rate N/s",
    "--host": "use --target URL",
    "-H": "use --target URL, where a host is meant; headers stand in a plan (docs/reference/plan.md)",
    "--header": "write a plan with headers (docs/reference/plan.md)",
    "-f": "give the file itself, without an option",
    "--locustfile": "give the file itself, without an option",
    "--headless": "leave it out: there is no page to start a run from",
    "--html": "use --export run.html",
    "--csv": "use --export run.csv",
    "-o": "use --out run.sw, or --json FILE",
    "--output": "use --out run.sw, or --json FILE",
    "--threshold": "use --objective 'p95 < 500ms'",
    "--master": "leave it out: worker processes start by themselves (--workers N)",
    "--worker": "leave it out: worker processes start by themselves (--workers N)",
    "--processes": "use --workers N",
}
"""Options of other load generators, and what to do in their place."""

_UNKNOWN = re.compile(r"Unknown option: \"?(--?[\w-]+)")


def in_place_of(error: str) -> str | None:
    """Return what to do in place of the unknown option that *error* names; None for one that other tools do not have either."""
    found = _UNKNOWN.search(error)
    return ELSEWHERE.get(found[1]) if found else None
