"""The scenario that measures what Python scenarios can send on this machine: one request, one expectation."""

from __future__ import annotations

from scaleworthy.load.scenarios import User, scenario


@scenario
async def ask(user: User) -> None:
    """Ask once, and expect an answer."""
    answer = await user.get("/")
    answer.expect(status=200)
