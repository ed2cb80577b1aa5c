"""Put the service together: routes, parts, and what happens at start and end."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime

from fastapi import FastAPI

from scaleworthy import __version__
from scaleworthy.runtime.database import ReadYourWrites
from scaleworthy.runtime.http import Draining, Stack
from scaleworthy.series.meter import Meter
from scaleworthy.switchboard import refusal
from scaleworthy.switchboard.cache import make_cache
from scaleworthy.switchboard.database import Database
from scaleworthy.switchboard.deliveries import Deliveries
from scaleworthy.switchboard.description import describe
from scaleworthy.switchboard.figures import Figures
from scaleworthy.switchboard.follow import make_follower
from scaleworthy.switchboard.live.live import Live, told_by
from scaleworthy.switchboard.manners import manners_of, refused
from scaleworthy.switchboard.media.streams import MediaStreams
from scaleworthy.switchboard.models import Models
from scaleworthy.switchboard.request import Service
from scaleworthy.switchboard.routes import (
    analytics,
    calls,
    campaigns,
    conversations,
    council,
    events,
    files,
    health,
    integrations,
    knowledge,
    lead_bulk,
    lead_search,
    leads,
    media,
    metrics,
    page,
    recordings,
    transcripts,
    users,
    voice,
    webhooks,
)
from scaleworthy.switchboard.settings import Settings
from scaleworthy.switchboard.shape import shape_named
from scaleworthy.switchboard.tenancy import Tenants

ROUTERS = tuple(
    noun.router
    for noun in (
        health,
        metrics,
        calls,
        transcripts,
        media,
        recordings,
        # Before the routes of one lead, whose paths would take these names for its number.
        lead_search,
        lead_bulk,
        leads,
        campaigns,
        analytics,
        webhooks,
        users,
        files,
        knowledge,
        integrations,
        page,
        conversations,
        council,
        voice,
        events,
    )
)
_DATABASE_WAIT_S = 5.0


def _utc_now() -> datetime:
    return datetime.now(UTC)


def create_app(
    settings: Settings, *, now: Callable[[], datetime] = _utc_now, database_wait_s: float = _DATABASE_WAIT_S
) -> FastAPI:
    """Return the service as an ASGI application; it connects when its lifespan starts.

    A database that is not there after *database_wait_s* does not keep it from starting: it answers 503 until the database comes.
    """
    shape = shape_named(settings.shape)
    meter = Meter()
    figures = Figures(meter, process=settings.process, processes=settings.processes, folder=settings.figures)
    draining = Draining()
    replicas = settings.replicas if shape.reads == "replicas" else ()
    database = Database(
        told_by(settings.dsn, shape.events, kafka=settings.kafka is not None),
        connections=shape.pool_connections,
        round_trips=shape.round_trips,
        replicas=replicas,
        meter=meter,
    )
    cache = make_cache(settings.cache, shape, meter=meter)
    followed = settings.follower_dsn if shape.cache_follows == "changes" and settings.cache is not None else None
    follower = None if followed is None else make_follower(followed, cache, meter=meter)
    models = Models(settings, meter=meter)
    live = Live(settings, shape, database, now=now, meter=meter)
    media_streams = MediaStreams(meter=meter)
    live.hub.hear("call.ended", media_streams.call_ended)
    deliveries = Deliveries(settings.tasks, database, now=now)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        await figures.open()
        await database.open(wait_s=database_wait_s)
        await cache.open()
        if follower is not None:
            follower.start()
        await deliveries.open()
        await live.open()
        try:
            yield
        finally:
            await deliveries.close()
            await live.close()
            await models.close()
            await figures.close()
            if follower is not None:
                await follower.stop()
            await cache.close()
            await database.close()

    app = FastAPI(
        title="Switchboard", version=__version__, lifespan=lifespan, openapi_url="/openapi.json", redoc_url=None
    )
    app.state.service = Service(
        shape=shape,
        database=database,
        cache=cache,
        follower=follower,
        tenants=Tenants(database, cache),
        models=models,
        now=now,
        default_key=settings.default_key,
        webhook_secret=settings.webhook_secret,
        media=media_streams,
        deliveries=deliveries,
        figures=figures,
        live=live,
    )
    app.state.draining = draining
    app.add_middleware(Stack, manners=manners_of(shape, settings, meter, draining), words=refused)
    refusal.install(app, database)
    if replicas:
        app.add_middleware(ReadYourWrites)
    for router in ROUTERS:
        app.include_router(router, prefix="/api")
        app.include_router(router, include_in_schema=False)
    describe(app)
    return app
