"""Small measured things that the tests of assess share; each takes what the test is about."""

from typing import Any

from scaleworthy.finding import Finding, Fix, Proof
from scaleworthy.load.result import Limit
from scaleworthy.report.model import GrowthRow, Measured


def limit(passing: float | None, failing: float | None, **more: Any) -> Limit:
    given: dict[str, Any] = {
        "unit": "rate",
        "objectives": ("p95 < 200ms",),
        "estimate": passing,
        "interval": None if passing is None or failing is None else (passing, failing),
        "binding": "p95 < 200ms",
        "shape": "smooth",
        "generator_max": 10_000.0,
        "headroom": 10.0,
        "monotonic": True,
        "stopped_by": "found",
        "confirmed": True,
        "seconds": 30.0,
        "probes": (),
    }
    return Limit(passing=passing, failing=failing, **{**given, **more})


def growth(size: str, requests_per_s: float, **more: Any) -> GrowthRow:
    given: dict[str, Any] = {
        "users": 10_000,
        "data_bytes": 10**12,
        "app_servers": 4,
        "database_instances": 1,
        "cache_nodes": 1,
        "storage_bytes": 10**12,
        "monthly_cost": Measured(1234.0, "USD"),
        "cost_per_user": Measured(0.12, "USD"),
        "cost_per_1000_requests": Measured(0.01, "USD"),
        "reachable": True,
        "why": "",
    }
    return GrowthRow(size=size, requests_per_s=Measured(requests_per_s, "requests/s"), **{**given, **more})


def finding(name: str, **more: Any) -> Finding:
    given: dict[str, Any] = {
        "check": "database/0002_missing_index",
        "dimension": "database",
        "verdict": "fail",
        "title": f"{name} is missing",
        "fix": Fix(f"add {name}", "sql", (f"CREATE INDEX {name}",), proof=Proof("a copy", "SELECT", 41.0, 0.5, 5)),
        "priority": "now",
        "impact_level": "high",
    }
    return Finding(id=f"database/0002/{name}", **{**given, **more})
