"""A page for people at `/`: health, the tenants whose keys one has, and what happens at them. One file, nothing loaded."""

from __future__ import annotations

from importlib.resources import files

from fastapi import APIRouter
from fastapi.responses import HTMLResponse

router = APIRouter(include_in_schema=False)

_PAGE = (files("scaleworthy.switchboard") / "page.html").read_text("utf-8")
# Its own script and style and nobody else's; it asks this service alone.
_POLICY = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; connect-src 'self'; img-src data:; base-uri 'none'"


@router.get("/", response_class=HTMLResponse)
async def page() -> HTMLResponse:
    """Show the page."""
    return HTMLResponse(_PAGE, headers={"content-security-policy": _POLICY, "x-frame-options": "DENY"})
