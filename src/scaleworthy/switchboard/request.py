"""What every route is given: the service it runs in, and the tenant who asks."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, cast

import orjson
from fastapi import Depends, Request, Response
from fastapi.encoders import jsonable_encoder
from fastapi.responses import JSONResponse

from scaleworthy.runtime.cache import Cache
from scaleworthy.runtime.invalidation import SlotFollower
from scaleworthy.runtime.tenant import tenant_key
from scaleworthy.switchboard.cache import ANSWER
from scaleworthy.switchboard.database import Database, Row, Statement
from scaleworthy.switchboard.deliveries import Deliveries
from scaleworthy.switchboard.figures import Figures
from scaleworthy.switchboard.live.live import Live
from scaleworthy.switchboard.media.streams import MediaStreams
from scaleworthy.switchboard.models import Models
from scaleworthy.switchboard.refusal import Refusal
from scaleworthy.switchboard.shape import Shape
from scaleworthy.switchboard.tenancy import HEADER, Tenant, Tenants

_JSON = "application/json"


@dataclass(frozen=True, slots=True)
class Service:
    """The parts a running service is made of."""

    shape: Shape
    database: Database
    cache: Cache
    follower: SlotFollower | None
    tenants: Tenants
    models: Models
    now: Callable[[], datetime]
    default_key: str | None
    webhook_secret: str | None
    media: MediaStreams
    deliveries: Deliveries
    figures: Figures
    live: Live

    def answer(self, content: Any, status: int = 200) -> Any:
        """Return *content* as JSON, by the shape's encoder."""
        if self.shape.encoder == "orjson":
            return Response(orjson.dumps(content), status, media_type=_JSON)
        # With the framework's default the route returns plain data; a status of its own needs the response here.
        return content if status == 200 else JSONResponse(jsonable_encoder(content), status)


@dataclass(frozen=True, slots=True)
class Caller:
    """A tenant's request: everything it asks of the database is asked as that tenant."""

    service: Service
    tenant: Tenant

    async def run(self, *statements: Statement) -> list[list[Row]]:
        """Run statements in one transaction of this tenant; return the rows of each."""
        return await self.service.database.run(self.tenant.id, *statements)

    async def cached(self, name: str, compute: Callable[[], Awaitable[dict[str, Any]]], *, of: Sequence[str]) -> Any:
        """Return the answer called *name* of this tenant, kept for the shape's time or until a row of the tables it is *of* changes."""
        service = self.service
        if not service.cache.keeps(ANSWER):
            return service.answer(await compute())

        async def load() -> bytes:
            return orjson.dumps(await compute())

        tenant = str(self.tenant.id)
        tags = [tenant_key(table, tenant) for table in of]
        body = await service.cache.get_or_set(tenant_key(name, tenant), load, kind=ANSWER, tags=tags)
        return Response(body, media_type=_JSON)


async def service_of(request: Request) -> Service:
    """Return the service the request came to."""
    return cast("Service", request.app.state.service)


async def caller_of(request: Request) -> Caller:
    """Return who asks: the tenant of the `x-tenant-key` header, or the demo tenant where there is one."""
    service = cast("Service", request.app.state.service)
    key = request.headers.get(HEADER) or service.default_key
    if key is None:
        raise Refusal(401, "tenant_key_missing", f"the header {HEADER} is missing: send your tenant's key")
    tenant = await service.tenants.by_key(key)
    if tenant is None:
        raise Refusal(401, "unknown_tenant", f"no tenant has the key given in {HEADER}")
    return Caller(service, tenant)


AnyCaller = Annotated[Caller, Depends(caller_of)]
AnyService = Annotated[Service, Depends(service_of)]
