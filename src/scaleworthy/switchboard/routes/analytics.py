"""Dashboards and key figures of a tenant."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Literal

from fastapi import APIRouter
from pydantic import AliasChoices, BaseModel, Field

from scaleworthy.switchboard.database import Statement
from scaleworthy.switchboard.queries import analytics as sql
from scaleworthy.switchboard.queries.leads import BREAKDOWN
from scaleworthy.switchboard.request import AnyCaller
from scaleworthy.switchboard.routes.leads import count_by

router = APIRouter(tags=["analytics"])

_RANGES = {"24h": timedelta(days=1), "7d": timedelta(days=7), "30d": timedelta(days=30), "90d": timedelta(days=90)}
_TABLES = ("leads", "calls", "activities", "payments")


class KpiRange(BaseModel):
    """How far back to look."""

    date_range: Literal["24h", "7d", "30d", "90d"] = Field(
        "7d", validation_alias=AliasChoices("dateRange", "date_range")
    )


@router.get("/dashboard/metrics", response_model=None)
async def dashboard_metrics(caller: AnyCaller) -> Any:
    """Show today at a glance, with the calls that are active."""

    async def compute() -> dict[str, Any]:
        now = caller.service.now()
        values = {"day": now - _RANGES["24h"], "week": now - _RANGES["7d"], "month": now - _RANGES["30d"]}
        texts = (sql.DASHBOARD_LEADS, sql.DASHBOARD_CALLS, sql.DASHBOARD_ACTIVITIES, sql.DASHBOARD_REVENUE)
        leads, calls, activities, revenue, active = await caller.run(
            *(Statement(text, values) for text in (*texts, sql.ACTIVE_CALLS))
        )
        return {
            "tenant_id": caller.tenant.id,
            "leads": leads[0],
            "calls": calls[0],
            **activities[0],
            **revenue[0],
            "active_calls": active,
        }

    return await caller.cached("dashboard/metrics", compute, of=_TABLES)


@router.get("/analytics/overview", response_model=None)
async def analytics_overview(caller: AnyCaller) -> Any:
    """Show the last thirty days beside the thirty before them: leads, calls, activities, revenue."""

    async def compute() -> dict[str, Any]:
        now = caller.service.now()
        texts = (sql.KPI_LEADS, sql.KPI_CALLS, sql.KPI_ACTIVITIES, sql.KPI_REVENUE)
        spans = [{"since": now - _RANGES["30d"]}, {"since": now - 2 * _RANGES["30d"]}]
        rows = await caller.run(*(Statement(text, values) for values in spans for text in texts))
        last, both = ({name: row[0][name] for row in part for name in row[0]} for part in (rows[:4], rows[4:]))
        return {
            "tenant_id": caller.tenant.id,
            "last_30_days": last,
            "30_days_before": {name: both[name] - count for name, count in last.items()},
        }

    return await caller.cached("analytics/overview", compute, of=_TABLES)


@router.get("/analytics/dashboard", response_model=None)
async def analytics_dashboard(caller: AnyCaller) -> Any:
    """Show thirty days of calls and leads by day, and all leads by status and source."""

    async def compute() -> dict[str, Any]:
        values = {"month": caller.service.now() - _RANGES["30d"]}
        calls, leads, breakdown = await caller.run(
            Statement(sql.CALLS_PER_DAY, values), Statement(sql.LEADS_PER_DAY, values), Statement(BREAKDOWN)
        )
        return {
            "tenant_id": caller.tenant.id,
            "calls_per_day": calls,
            "leads_per_day": leads,
            "leads_by_status": count_by(breakdown, "status"),
            "leads_by_source": count_by(breakdown, "source"),
        }

    return await caller.cached("analytics/dashboard", compute, of=["calls", "leads"])


@router.post("/analytics/kpis", response_model=None)
async def key_figures(caller: AnyCaller, wanted: KpiRange) -> Any:
    """Return the key figures of a range of days. Ratios are from 0 to 1."""

    async def compute() -> dict[str, Any]:
        values = {"since": caller.service.now() - _RANGES[wanted.date_range]}
        texts = (sql.KPI_LEADS, sql.KPI_CALLS, sql.KPI_ACTIVITIES, sql.KPI_REVENUE)
        answers = await caller.run(*(Statement(text, values) for text in texts))
        leads, calls, activities, revenue = (rows[0] for rows in answers)
        return {
            "tenant_id": caller.tenant.id,
            "date_range": wanted.date_range,
            "leads": leads,
            "calls": calls,
            **activities,
            **revenue,
            "conversion_ratio": _ratio(leads["won"], leads["leads"]),
            "connected_ratio": _ratio(calls["completed"], calls["calls"]),
            "average_talk_s": round(calls["talk_s"] / calls["completed"]) if calls["completed"] else 0,
        }

    return await caller.cached(f"analytics/kpis/{wanted.date_range}", compute, of=_TABLES)


def _ratio(part: int, whole: int) -> float:
    return round(part / whole, 4) if whole else 0.0
