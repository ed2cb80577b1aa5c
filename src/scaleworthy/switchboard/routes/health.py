"""Health: does the service have what it needs, and if not, why?

200 `ok`: everything answers. 200 `degraded`: it serves, without its cache, a replica, Kafka or its language models, or with
every database connection at work; sending fewer requests helps, sending none would not. 503 `degraded`: the database is gone, it
cannot serve.
"""

from __future__ import annotations

import asyncio
from typing import Any

import psycopg
from fastapi import APIRouter

from scaleworthy.switchboard.database import Trouble
from scaleworthy.switchboard.request import AnyService, Service

router = APIRouter(tags=["health"])

_DATABASE_WAIT_S = 1.0


@router.get("/health", response_model=None)
async def health(service: AnyService) -> Any:
    """Say whether database, cache and language models answer, with a reason for each that does not."""
    (database, waiting, late), cache, models, (to_kafka, kafka) = await asyncio.gather(
        _database(service),
        service.cache.check(),
        service.models.trouble(),
        service.live.kafka(),
    )
    reasons = [f"database: {database.reason}"] if database else []
    reasons += [f"cache: {cache}"] if cache else []
    reasons += [f"models: {models}"] if models else []
    unfollowed = None if service.follower is None else service.follower.trouble()
    reasons += [f"kept answers end by time: {unfollowed}"] if unfollowed else []
    reasons += [f"webhooks: {late}"] if late else []
    reasons += [events] if (events := service.live.trouble()) else []
    reasons += [f"kafka: {kafka}"] if kafka else []
    replicas, left_out = service.database.replicas()
    reasons += left_out
    tasks = service.deliveries.trouble()
    reasons += [tasks] if tasks else []
    media = service.media.trouble()
    reasons += [f"media: {media}"] if media else []
    return service.answer(
        {
            "status": "degraded" if reasons else "ok",
            "reasons": reasons,
            "database": database.state if database else "ok",
            "cache": "gone" if cache else "ok",
            "models": "none" if service.models.gateway is None else "gone" if models else "ok",
            **({"replicas": f"{replicas - len(left_out)} of {replicas}"} if replicas else {}),
            **({"kafka": "waits" if kafka else "ok"} if to_kafka else {}),
            "webhooks_waiting": waiting,
            "shape": service.shape.name,
        },
        503 if database and database.state == "gone" else 200,
    )


async def _database(service: Service) -> tuple[Trouble | None, int, str | None]:
    """Return what is wrong with the database, how many webhooks wait in it, and a reason where one has waited for long."""
    trouble = await service.database.trouble(wait_s=_DATABASE_WAIT_S)
    if trouble is None:
        try:
            async with asyncio.timeout(_DATABASE_WAIT_S):
                return None, *await service.live.backlog()
        except (TimeoutError, psycopg.Error):
            # It answered a moment ago: by now its connections are at work, or it is gone.
            answered = Trouble("busy", f"it answered, and a second time not within {_DATABASE_WAIT_S:g} s")
            trouble = await service.database.trouble(wait_s=_DATABASE_WAIT_S) or answered
    return trouble, 0, None
