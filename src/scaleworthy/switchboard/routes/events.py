"""The event stream: a WebSocket to which a tenant's events are told as they happen.

In:  {"type": "subscribe", "events": ["lead.created", "call.*", "*"]} · {"type": "unsubscribe", "events": […]} · {"type": "ping"}
Out: {"type": "subscribed", "data": {"events": […], "tenant_id": …}} · {"type": "lead.created", "data": {…}} · {"type": "pong", "data": {}}
     {"type": "error", "data": {"message": …}} · {"type": "gap", "data": {"reason": …}}
"""

from __future__ import annotations

import asyncio
from fnmatch import fnmatchcase
from typing import Annotated, Any, Literal, cast

import orjson
from fastapi import APIRouter
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError
from starlette.websockets import WebSocket, WebSocketDisconnect

from scaleworthy.switchboard.live.frames import connection_of, text_frame
from scaleworthy.switchboard.live.hub import KINDS
from scaleworthy.switchboard.live.outlet import Outlet
from scaleworthy.switchboard.request import Service
from scaleworthy.switchboard.tenancy import HEADER, Tenant

router = APIRouter(tags=["events"])

SOCKETS_MOST = 25_000
# A client may say some things at once, and then a few a second: more is a flood.
BURST, PER_SECOND = 50, 10
_FLOOD = (1008, f"too many messages: {BURST} at once, then {PER_SECOND} a second")


class Said(BaseModel):
    """What a client may say."""

    model_config = ConfigDict(extra="ignore")

    type: Literal["subscribe", "unsubscribe", "ping"]
    events: Annotated[list[Annotated[str, StringConstraints(max_length=100)]], Field(max_length=50)] = []


class _Allowance:
    """How much a client may still say."""

    def __init__(self, now_s: float) -> None:
        self._left, self._at_s = float(BURST), now_s

    def is_spent(self, now_s: float) -> bool:
        self._left = min(BURST, self._left + (now_s - self._at_s) * PER_SECOND) - 1
        self._at_s = now_s
        return self._left < 0


async def event_stream(websocket: WebSocket) -> None:
    """Tell one client of its tenant's events, as long as it listens. The key may also be `?key=`: a browser's socket has no headers."""
    service = cast("Service", websocket.app.state.service)
    tenant = await _tenant_of(service, websocket)
    if tenant is None:
        await _refuse(websocket, 401, "unknown_tenant", f"a tenant's key is needed: the header {HEADER}, or ?key=")
        return
    if service.live.hub.statistics().sockets >= SOCKETS_MOST:
        await _refuse(websocket, 503, "busy", f"this process holds {SOCKETS_MOST:,} sockets")
        return
    await websocket.accept()
    outlet = Outlet(connection_of(websocket))
    service.live.hub.want(outlet, str(tenant.id), ())
    try:
        await _converse(service, websocket, outlet, str(tenant.id))
    finally:
        service.live.hub.leave(outlet)


router.add_websocket_route("/events", event_stream)


async def _converse(service: Service, websocket: WebSocket, outlet: Outlet, tenant: str) -> None:
    now = asyncio.get_running_loop().time
    allowance = _Allowance(now())
    wanted: set[str] = set()
    while True:
        try:
            message = await websocket.receive()
        except (WebSocketDisconnect, RuntimeError):
            return
        if message["type"] == "websocket.disconnect":
            return
        if allowance.is_spent(now()):
            outlet.drop(*_FLOOD)
            continue
        answer = _heard(message.get("text") or message.get("bytes") or b"", wanted)
        if answer["type"] == "subscribed":
            service.live.hub.want(outlet, tenant, wanted)
            answer["data"]["tenant_id"] = tenant
        outlet.send(text_frame(orjson.dumps(answer)))


def _heard(text: str | bytes, wanted: set[str]) -> dict[str, Any]:
    """Return the answer to what a client said, having changed what is *wanted*."""
    try:
        said = Said.model_validate(orjson.loads(text))
    except orjson.JSONDecodeError:
        return {"type": "error", "data": {"message": "this is no JSON"}}
    except ValidationError as error:
        problem = error.errors()[0]
        path = ".".join(str(part) for part in problem["loc"]) or "message"
        return {"type": "error", "data": {"message": f"{path}: {problem['msg']}"}}
    if said.type == "ping":
        return {"type": "pong", "data": {}}
    named = {pattern: [kind for kind in KINDS if fnmatchcase(kind, pattern)] for pattern in said.events}
    unknown = [pattern for pattern, kinds in named.items() if not kinds]
    if unknown:
        return {
            "type": "error",
            "data": {"message": f"no events are called {unknown[0]!r}; there are {', '.join(KINDS)}"},
        }
    kinds = {kind for found in named.values() for kind in found}
    if said.type == "subscribe":
        wanted |= kinds
    else:
        wanted -= kinds
    return {"type": "subscribed", "data": {"events": sorted(wanted)}}


async def _tenant_of(service: Service, websocket: WebSocket) -> Tenant | None:
    key = websocket.headers.get(HEADER) or websocket.query_params.get("key") or service.default_key
    return None if key is None else await service.tenants.by_key(key)


async def _refuse(websocket: WebSocket, status: int, error: str, message: str) -> None:
    """Answer the handshake with a status."""
    await websocket.send_denial_response(JSONResponse({"error": error, "message": message, "problems": []}, status))
