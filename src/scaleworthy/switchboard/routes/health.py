"""Health: does the service have what it needs, and if not, why?

200 `ok`: everything answers. 200 `degraded`: it serves, without its cache, a replica, Kafka or its language models, or with
every database connection at work; sending fewer requests helps, sending none would not. 503 `degraded`: the database is gone, it
cannot serve.
"""

from __future__ import annotations

import asyncio
from typing import Any

from fastapi import APIRouter

from scaleworthy.switchboard.request import AnyService

router = APIRouter(tags=["health"])

_DATABASE_WAIT_S = 1.0


@router.get("/health", response_model=None)
async def health(service: AnyService) -> Any:
    """Say whether database, cache and language models answer, with a reason for each that does not."""
    database, cache, models, (to_kafka, kafka) = await asyncio.gather(
        service.database.trouble(wait_s=_DATABASE_WAIT_S),
        service.cache.check(),
        service.models.trouble(),
        service.live.kafka(),
    )
    reasons = [f"database: {database.reason}"] if database else []
    reasons += [f"cache: {cache}"] if cache else []
    reasons += [f"models: {models}"] if models else []
    unfollowed = None if service.follower is None else service.follower.trouble()
    reasons += [f"kept answers end by time: {unfollowed}"] if unfollowed else []
    waiting, late = (0, None) if database else await service.live.backlog()
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
