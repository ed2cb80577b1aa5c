"""Metrics: what the service counts, for Prometheus."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import PlainTextResponse

from scaleworthy.series.prometheus import CONTENT_TYPE
from scaleworthy.switchboard.request import AnyService

router = APIRouter(tags=["health"])


@router.get("/metrics", response_class=PlainTextResponse)
async def metrics(service: AnyService) -> PlainTextResponse:
    """Show what all processes have counted since they started, as Prometheus text. It names routes, and nothing of any tenant."""
    return PlainTextResponse(await service.figures.text(), headers={"content-type": CONTENT_TYPE})
